#include "calib/evidence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "calib/calibrate.h"
#include "calib/compute_line.h"
#include "model/error.h"

namespace forerun {
namespace {

Observation row(const std::string& placement, int batch, double seconds, double steps = 16) {
  Observation o;
  o.model = "m";
  o.at = {.placement = Placement::parse(placement), .local_batch = batch};
  o.step_time_s = seconds;
  o.steps = steps;
  return o;
}

TEST(GatherEvidence, MeansOverPlacementsOfTheSameNodesAndGpus) {
  const Evidence evidence =
      gather_evidence({row("4+2", 8, 1.0), row("3+3", 8, 4.0), row("3+3", 16, 5.0)});
  ASSERT_EQ(evidence.workloads.size(), 1u);
  const auto& points = evidence.workloads[0].points;
  ASSERT_EQ(points.size(), 2u);
  EXPECT_NEAR(points[0].step_time_s, 2.0, 1e-12);  // of logarithms
  EXPECT_DOUBLE_EQ(points[1].step_time_s, 5.0);
}

TEST(GatherEvidence, WeighsRowsBySteps) {
  const Evidence evidence = gather_evidence({row("1", 8, 1.0, 48), row("1", 8, 16.0, 16)});
  EXPECT_NEAR(evidence.workloads[0].points[0].step_time_s, 2.0, 1e-12);
}

TEST(GatherEvidence, AnotherPrecisionIsAnotherWorkload) {
  Observation half = row("1", 8, 1.0);
  half.at.precision = "bfloat16";
  const Evidence evidence = gather_evidence({row("1", 8, 1.0), half});
  ASSERT_EQ(evidence.workloads.size(), 2u);
  EXPECT_EQ(evidence.workloads[1].traits.name, "m@bfloat16");
}

TEST(GatherEvidence, CountsBucketsAsTheReducerFillsThem) {
  Observation o = row("1", 8, 1.0);
  o.grad_bytes = 102.2e6;  // 1 MiB + 4 x 25 MiB
  EXPECT_DOUBLE_EQ(gather_evidence({o}).workloads[0].traits.buckets, 5);
  o.grad_bytes = 1e6;
  EXPECT_DOUBLE_EQ(gather_evidence({o}).workloads[0].traits.buckets, 1);
}

TEST(GatherEvidence, TakesTheSerialShareFromOneRank) {
  Observation o = row("1", 8, 1.0);
  o.backward_s = 0.6;
  EXPECT_NEAR(gather_evidence({o}).workloads[0].traits.serial_share, 0.4, 1e-12);
}

TEST(GatherEvidence, RowsThatDifferSayHowFarARunMayBe) {
  const Evidence evidence =
      gather_evidence({row("1", 8, 1.0), row("1", 8, 1.0), row("1", 8, 4.0), row("2", 8, 3.0)});
  const WorkloadEvidence& w = evidence.workloads[0];
  // Two runs, one of them in two parts: a third and two thirds of the way between 1 and 4.
  EXPECT_NEAR(w.points[0].step_time_s, std::pow(4.0, 1.0 / 3), 1e-12);
  const double log4 = std::log(4.0);
  const double squares =
      4.0 / 9 * (log4 / 3) * (log4 / 3) + 1.0 / 9 * (2 * log4 / 3) * (2 * log4 / 3);
  EXPECT_NEAR(w.points[0].relative_variance, 2 * squares, 1e-12);
  EXPECT_NEAR(w.traits.repeat_variance, 5.0 / 9 * log4 * log4, 1e-12);
  EXPECT_EQ(w.points[1].relative_variance, 0);
}

TEST(GatherEvidence, ExposedCommunicationTellsWhatARankDoesByItself) {
  std::vector<Observation> rows = {row("1", 8, 1.0), row("22", 8, 1.7), row("22", 16, 2.5)};
  rows[1].exposed_comm_s = 0.6;  // one rank alone says more
  rows[2].exposed_comm_s = 0.7;
  Evidence evidence = gather_evidence(rows);
  EXPECT_EQ(evidence.workloads[0].points.size(), 3u);
  add_own_shares(rows, evidence);
  const auto& points = evidence.workloads[0].points;
  ASSERT_EQ(points.size(), 4u);
  EXPECT_EQ(points[1].at.placement.text(), "1");
  EXPECT_EQ(points[1].at.local_batch, 16);
  EXPECT_NEAR(points[1].step_time_s, 1.8, 1e-12);
  EXPECT_GT(points[1].relative_variance, 0);
}

TEST(ComputeLine, LeavesOutASlip) {
  std::vector<FitPoint> points;
  for (const int gpus : {1, 4}) {
    for (const int batch : {8, 16, 32, 64}) {
      points.push_back({{.placement = Placement({gpus}), .local_batch = batch},
                        1 + 0.1 * batch + (gpus > 1 ? 2 : 0)});
    }
  }
  for (size_t i = 0; i < 4; ++i) {
    for (const double factor : {10.0, 0.1}) {
      std::vector<FitPoint> spoilt = points;
      spoilt[i].step_time_s *= factor;
      const ComputeLine line = compute_line(spoilt);
      EXPECT_NEAR(line.launch, 1, 1e-9) << i << " x " << factor;
      EXPECT_NEAR(line.per_sample, 0.1, 1e-9) << i << " x " << factor;
    }
  }
}

TEST(ComputeLine, BelievesWhatTheOtherScalesSay) {
  // A network that swaps at its largest batch does so on every rank.
  std::vector<FitPoint> points;
  for (const int gpus : {1, 4}) {
    for (const int batch : {8, 16, 32, 64}) {
      const double swapping = batch == 64 ? 20 : 0;
      points.push_back({{.placement = Placement({gpus}), .local_batch = batch},
                        1 + 0.1 * batch + swapping + (gpus > 1 ? 2 : 0)});
    }
  }
  EXPECT_EQ(shape_around(compute_line(points), points).log_batch.size(), 4u);
}

TEST(ComputeLine, FindsTheLineOfOneRank) {
  const std::vector<Observation> rows = {row("1", 8, 1.8), row("1", 16, 2.6), row("1", 32, 4.2),
                                         row("2", 32, 9)};
  const ComputeLine line = compute_line(gather_evidence(rows).workloads[0].points);
  EXPECT_NEAR(line.launch, 1.0, 1e-9);
  EXPECT_NEAR(line.per_sample, 0.1, 1e-9);
}

TEST(ComputeLine, LeavesOutOneRankThatWasSlowerThanSeveral) {
  std::vector<FitPoint> points;
  for (const int gpus : {1, 2}) {
    for (const int batch : {8, 16, 32}) {
      points.push_back({{.placement = Placement({gpus}), .local_batch = batch},
                        1 + 0.1 * batch + (gpus > 1 ? 0.05 : 0)});
    }
  }
  points[1].step_time_s *= 1.3;  // between its neighbours, but two ranks took 2.65 s
  const ComputeLine line = compute_line(points);
  EXPECT_NEAR(line.launch, 1, 1e-9);
  EXPECT_NEAR(line.per_sample, 0.1, 1e-9);
}

TEST(ComputeLine, OneBatchDoesNotTellLaunchFromTimePerSample) {
  const auto line_of = [](const std::vector<Observation>& rows) {
    return compute_line(gather_evidence(rows).workloads[0].points);
  };
  const ComputeLine one = line_of({row("1", 16, 2)});
  const ComputeLine two = line_of({row("1", 16, 2), row("1", 32, 3)});
  EXPECT_NEAR(one.at(16), 2, 1e-9);
  EXPECT_NEAR(one.launch / 2, 0.45, 1e-9);
  EXPECT_GT(one.launch_sd, 2 * two.launch_sd);
  // Neither do two that are next to each other.
  const ComputeLine near = line_of({row("1", 16, 2), row("1", 17, 2.125)});
  EXPECT_GT(near.launch, 0.3 * near.at(16));
  EXPECT_GT(near.launch_sd, 2 * two.launch_sd);
}

TEST(ComputeLine, SeveralRanksDoNotTellComputeFromCommunication) {
  const std::vector<Observation> rows = {row("4", 8, 1.8), row("4", 32, 4.2)};
  const ComputeLine line = compute_line(gather_evidence(rows).workloads[0].points);
  EXPECT_LT(line.at(32), 4.2);
  EXPECT_GT(line.launch_sd, 0.6);
  EXPECT_GT(line.per_sample_sd, 0.6);
}

TEST(CurveVariance, IsThatOfABrownianPath) {
  constexpr double kSd = 0.1;  // a doubling
  std::mt19937 generator(1);
  std::normal_distribution<double> step(0, kSd * std::sqrt(0.5));
  std::vector<FitPoint> points;
  double log_factor = 0;
  for (int i = 0; i < 40; ++i) {
    const int batch = static_cast<int>(std::lround(16 * std::exp2(0.5 * i)));
    points.push_back({{.placement = Placement({1}), .local_batch = batch},
                      (1 + 0.1 * batch) * std::exp(log_factor)});
    log_factor += step(generator);
  }
  const ComputeLine line{.launch = 1, .per_sample = 0.1};
  EXPECT_NEAR(std::sqrt(curve_variance(line, points)), kSd, 0.2 * kSd);
  // Little is told by few: what is expected beforehand.
  points.resize(2);
  EXPECT_NEAR(std::sqrt(curve_variance(line, points)), 0.06, 1e-9);
}

TEST(ComputeLine, AFlatCurveKeepsBothPartsPositive) {
  const auto points = gather_evidence({row("1", 8, 1), row("1", 4096, 1)}).workloads[0].points;
  const ComputeLine line = compute_line(points);
  EXPECT_GT(line.per_sample, 0);
  EXPECT_NEAR(line.at(4096), 1, 0.02);
}

TEST(ShapeAround, ReproducesTheMeasuredPoints) {
  const auto points =
      gather_evidence({row("1", 8, 1.0), row("1", 16, 1.1), row("1", 32, 2.4)}).workloads[0].points;
  const ComputeLine line = compute_line(points);
  const CurveShape shape = shape_around(line, points);
  for (const FitPoint& p : points)
    EXPECT_NEAR(line.at(p.at.local_batch) * shape.at(p.at.local_batch), p.step_time_s, 1e-9);
}

TEST(ObservationsOfProfile, MedianOfTheSlowestRank) {
  Profile profile;
  WorkloadProfile workload{.name = "m", .parameters = 10, .grad_bytes = 40};
  MeasuredConfiguration measured;
  measured.at = {.placement = Placement({2}), .local_batch = 4};
  const auto series = [](std::vector<double> v) { return v; };
  for (int rank = 0; rank < 2; ++rank) {
    RankSteps steps{.rank = rank};
    steps.step_time_s = rank == 0 ? series({1, 2, 9, 2, 1}) : series({3, 1, 1, 1, 3});
    steps.load_s = steps.forward_s = steps.backward_s = steps.exposed_comm_s =
        steps.optimizer_s = {1, 1, 1, 1, 1};
    measured.ranks.push_back(steps);
  }
  workload.configurations.push_back(measured);
  profile.workloads.push_back(workload);
  const auto rows = observations_of(profile);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_DOUBLE_EQ(rows[0].step_time_s, 3);  // of 3 2 9 2 3
  EXPECT_DOUBLE_EQ(*rows[0].grad_bytes, 40);
}

TEST(CalibrateProfile, RefusesRanksThatSharedAGpu) {
  Profile profile;
  profile.machine.label = "shared GPU; recorded compute";
  try {
    calibrate_profile(profile, "p.json");
    FAIL();
  } catch (const Refusal& refusal) {
    EXPECT_TRUE(std::string(refusal.what()).starts_with("p.json: ranks shared a GPU"));
  }
}

}  // namespace
}  // namespace forerun
