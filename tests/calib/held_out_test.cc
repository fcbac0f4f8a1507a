#include "calib/held_out.h"

#include <gtest/gtest.h>

#include "calib/block_variance.h"
#include "calib/calibrate.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

Comparison comparison(int gpus, double observed, double predicted, double low = 0,
                      double high = 0) {
  return {
      {.placement = Placement::even(1, gpus), .local_batch = 10}, observed, predicted, low, high};
}

TEST(Summarize, ByHand) {
  const HeldOut h =
      summarize({comparison(1, 1.0, 1.1, 0.9, 1.2), comparison(2, 2.0, 1.6, 1.5, 1.8)});
  EXPECT_EQ(h.points, 2);
  EXPECT_NEAR(h.ape_median, 0.15, 1e-12);
  EXPECT_NEAR(h.ape_max, 0.2, 1e-12);
  EXPECT_NEAR(h.bias, (std::log(1.1) + std::log(0.8)) / 2, 1e-12);
  EXPECT_DOUBLE_EQ(h.coverage_90, 0.5);
  EXPECT_NEAR(h.log_width_90, (std::log(1.2 / 0.9) + std::log(1.8 / 1.5)) / 2, 1e-12);
  // Misses over the claim on their side: 0.475 below the first point, 1.894 above the second.
  const double first = std::log(1.1) / std::log(1.1 / 0.9);
  const double second = std::log(2.0 / 1.6) / std::log(1.8 / 1.6);
  EXPECT_NEAR(h.miss_90, first + 0.9 * (second - first), 1e-12);
  // The second point lies above its interval: 2 / 0.1 times the miss is added.
  EXPECT_NEAR(h.interval_score, h.log_width_90 + 20 * std::log(2.0 / 1.8) / 2, 1e-12);
}

TEST(Summarize, OfNothingIsZeroPoints) { EXPECT_EQ(summarize({}).points, 0); }

TEST(Regret, IsTheThroughputLostByTheChoice) {
  // Best seen with 2 GPUs: 20 samples / 1 s. Predicted best: 1 GPU (10 samples in 0.4 s), which
  // really takes 0.6 s.
  const double lost = regret({comparison(1, 0.6, 0.4), comparison(2, 1.0, 1.2)});
  EXPECT_NEAR(lost, 1 - (10 / 0.6) / (20 / 1.0), 1e-12);
  EXPECT_DOUBLE_EQ(regret({comparison(1, 0.6, 0.6), comparison(2, 1.0, 1.0)}), 0);
}

TEST(Split, RolesWin) {
  auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0, 1);
  for (Observation& o : rows) o.role = o.at.world_size() == 2 ? "test" : "fit";
  const Split split = split_by_role(rows);
  for (const Observation& o : split.test) EXPECT_EQ(o.at.world_size(), 2);
  EXPECT_EQ(split.fit.size() + split.test.size(), rows.size());
}

TEST(Split, LeavesOutTheLargestScale) {
  const Split split =
      split_inside(synthetic_rows(synthetic_cluster(), synthetic_placements(), 0, 1));
  ASSERT_FALSE(split.test.empty());
  for (const Observation& o : split.test) EXPECT_EQ(o.at.world_size(), 8);
  for (const Observation& o : split.fit) EXPECT_LT(o.at.world_size(), 8);
}

TEST(Split, IsEachClustersOwn) {
  auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0, 1);
  for (Observation& o : rows) o.cluster = "small";
  for (Observation& o : synthetic_rows(
           synthetic_cluster(),
           {Placement({1}), Placement({4}), Placement({4, 4}), Placement::even(16, 64)}, 0, 1)) {
    o.cluster = "large";
    rows.push_back(o);
  }
  for (const Observation& o : split_inside(rows).test) {
    EXPECT_EQ(o.at.world_size(), o.cluster == "small" ? 8 : 64);
  }
}

TEST(HeldOutRows, OfAClusterThatWasNotFittedAreNotComparedWithAnothers) {
  auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0, 1);
  for (Observation& o : rows) {
    o.cluster = "here";
    o.role = o.at.world_size() == 8 ? "test" : "fit";
  }
  const auto held_out = [](const std::vector<Observation>& of) {
    return calibrate_observations(of, "synthetic").workloads.at(0).held_out.value();
  };
  const HeldOut before = held_out(rows);
  Observation elsewhere = rows.front();
  elsewhere.cluster = "there";
  elsewhere.role = "test";
  elsewhere.step_time_s *= 10;
  rows.push_back(elsewhere);
  const HeldOut after = held_out(rows);
  EXPECT_EQ(after.points, before.points);
  EXPECT_EQ(after.ape_p90, before.ape_p90);
}

TEST(HeldOutRows, RegretIsOfChoosingAmongFittedOnesToo) {
  auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0, 1);
  // Whoever trusts the prediction runs on eight GPUs, which really take ten times as long.
  std::erase_if(rows, [](const Observation& o) {
    return o.model != "large" || (o.at.world_size() == 8 && o.at.local_batch != 32);
  });
  for (Observation& o : rows) {
    const bool large = o.at.world_size() == 8;
    o.role = large ? "test" : "fit";
    if (large) o.step_time_s *= 10;
  }
  const Calibration calibration = calibrate_observations(rows, "synthetic");
  EXPECT_GT(calibration.workloads.at(0).held_out.value().regret, 0.2);
}

TEST(Split, KeepsTheOnlyScaleBetweenNodes) {
  const Split split = split_inside(
      synthetic_rows(synthetic_cluster(),
                     {Placement({1}), Placement({2}), Placement({4}), Placement({4, 4})}, 0, 1));
  ASSERT_FALSE(split.test.empty());
  bool between = false;
  for (const Observation& o : split.fit) between = between || o.at.placement.nodes() > 1;
  EXPECT_TRUE(between);
}

TEST(Split, WithTwoScalesLeavesOutInnerBatchesOfTheLarger) {
  const Split split = split_inside(
      synthetic_rows(synthetic_cluster(), {Placement::even(1, 1), Placement::even(1, 2)}, 0, 1));
  ASSERT_FALSE(split.test.empty());
  for (const Observation& o : split.test) {
    EXPECT_EQ(o.at.world_size(), 2);
    EXPECT_EQ(o.at.local_batch, o.model == "large" ? 16 : 32);
  }
}

TEST(RelativeBlockVariance, OfIndependentStepsIsThatOfTheMedianOf16) {
  std::mt19937 generator(1);
  std::normal_distribution<double> noise(1, 0.05);
  std::vector<double> series(16000), medians;
  for (double& x : series) x = noise(generator);
  // The median of an even number of normal values, 16: 1.36 sigma^2 / 16 (pi/2 only as n grows).
  EXPECT_NEAR(relative_block_variance(series) / (1.36 * 0.05 * 0.05 / 16), 1, 0.1);
}

TEST(RelativeBlockVariance, DriftCounts) {
  std::vector<double> series(160, 1.0);
  for (size_t i = 80; i < series.size(); ++i) series[i] = 1.2;
  EXPECT_GT(relative_block_variance(series), 0.005);
  EXPECT_EQ(relative_block_variance({1, 2, 3}), 0);
}

}  // namespace
}  // namespace forerun
