// Odd data: a result of honest width or a refusal that says why; never a crash, a NaN or an
// absurdity.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "calib/calibrate.h"
#include "calib/predictor.h"
#include "calib/report.h"
#include "model/error.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

std::vector<Observation> rows() {
  return synthetic_rows(synthetic_cluster(), synthetic_placements(), 0.02, 13);
}

std::vector<Observation> only(const std::function<bool(const Observation&)>& keep) {
  auto kept = rows();
  std::erase_if(kept, [&](const Observation& o) { return !keep(o); });
  return kept;
}

/// Every prediction near the data is finite, ordered, positive, and memory of what it was asked;
/// returns how many were made.
int expect_sane(const std::vector<Observation>& observations) {
  const Calibration calibration = calibrate_observations(observations, "synthetic");
  EXPECT_FALSE(calibration_text(calibration).empty());
  EXPECT_EQ(calibration_json(calibration).dump().find("null"),
            std::string::npos);  // how JSON spells NaN
  const Predictor predictor(calibration);
  int made = 0;
  for (const WorkloadCalibration& w : calibration.workloads) {
    for (const int gpus : {1, 2, 4, 8, 16, 32, 64}) {
      for (const int batch : {8, 16, 64}) {
        const Prediction p = predictor.predict(
            w.name, {.placement = Placement::even((gpus + 3) / 4, gpus), .local_batch = batch});
        if (!p.refused.empty()) continue;
        ++made;
        EXPECT_TRUE(std::isfinite(p.low.value()) && std::isfinite(p.high.value()))
            << gpus << " GPUs, batch " << batch;
        EXPECT_GT(p.low.value(), 0);
        EXPECT_LT(p.high / p.low, 1e6) << w.name << ", " << gpus << " GPUs";
        EXPECT_LE(p.low, p.step_time);
        EXPECT_LE(p.step_time, p.high);
      }
    }
  }
  return made;
}

/// Predictions for twice the measured GPUs at every measured batch, off by at most `tolerance` in
/// log.
void expect_near_truth(const std::vector<Observation>& observations, double tolerance) {
  const Predictor predictor(calibrate_observations(observations, "synthetic"));
  for (const SyntheticWorkload& w : synthetic_cluster()) {
    for (const int batch : w.batches) {
      const Configuration at{.placement = Placement::even(4, 16), .local_batch = batch};
      const Prediction p = predictor.predict(w.name, at);
      EXPECT_NEAR(std::log(p.step_time / step_time(w.model, at).total()), 0, tolerance)
          << w.name << " x " << batch;
    }
  }
}

TEST(Robustness, OneWorkload) {
  EXPECT_GT(expect_sane(only([](const Observation& o) { return o.model == "large"; })), 0);
}
TEST(Robustness, OneBatch) {
  EXPECT_GT(expect_sane(only([](const Observation& o) { return o.at.local_batch == 16; })), 0);
}
TEST(Robustness, NoOneGpuRow) {
  EXPECT_GT(expect_sane(only([](const Observation& o) { return o.at.world_size() > 1; })), 0);
}
TEST(Robustness, ThreeRows) {
  auto three = rows();
  three.resize(3);
  EXPECT_GT(expect_sane(three), 0);
}
TEST(Robustness, OneRow) {
  auto one = rows();
  one.resize(1);
  EXPECT_GT(expect_sane(one), 0);
}

TEST(Robustness, AllTimesEqual) {
  auto equal = rows();
  for (Observation& o : equal) o.step_time_s = 0.25;
  EXPECT_GT(expect_sane(equal), 0);
}

TEST(Robustness, ContradictoryDuplicates) {
  auto doubled = rows();
  for (Observation o : rows()) {
    o.step_time_s *= 2;
    doubled.push_back(o);
  }
  EXPECT_GT(expect_sane(doubled), 0);
  const Predictor predictor(calibrate_observations(doubled, "synthetic"));
  for (const Observation& o : doubled) {
    const Prediction p = predictor.predict(o.model, o.at);
    EXPECT_TRUE(p.low.value() < o.step_time_s && o.step_time_s < p.high.value()) << o.model;
  }
}

TEST(Robustness, OneOfFiveRunsOfEverythingOff) {
  std::vector<Observation> repeated;
  for (const Observation& o : rows()) {
    for (int run = 0; run < 5; ++run) {
      repeated.push_back(o);
      repeated.back().step_time_s *= run == 2 ? 10 : 1 + 0.005 * run;
    }
  }
  expect_near_truth(repeated, 0.1);
}

TEST(Robustness, StandardDeviationBeyondTheStep) {
  auto shaky = rows();
  for (Observation& o : shaky) o.stddev_s = 2000 * o.step_time_s;
  const Prediction p =
      Predictor(calibrate_observations(shaky, "synthetic"))
          .predict("large", {.placement = Placement::even(4, 16), .local_batch = 32});
  EXPECT_TRUE(p.low.value() > 0 && std::isfinite(p.high.value()));
}

TEST(Robustness, UnevenPlacement) {
  auto uneven = rows();
  for (Observation& o : uneven) {
    if (o.at.world_size() == 8) o.at.placement = Placement({4, 3, 1});
  }
  EXPECT_GT(expect_sane(uneven), 0);
}

TEST(Robustness, PlacementOfFourFourTwo) {
  auto cluster = synthetic_cluster();
  auto uneven = rows();
  for (const Observation& o : synthetic_rows(cluster, {Placement::parse("4+4+2")}, 0.02, 17))
    uneven.push_back(o);
  EXPECT_GT(expect_sane(uneven), 0);
  const Configuration at{.placement = Placement::parse("442"), .local_batch = 32};
  const Prediction p = Predictor(calibrate_observations(uneven, "synthetic")).predict("large", at);
  ASSERT_EQ(p.refused, "");
  EXPECT_NEAR(p.step_time / step_time(cluster[0].model, at).total(), 1, 0.06);
}

/// `large` measured on one GPU only and said to have so many gradient bytes.
double predicted_with_bytes(double grad_bytes, const Configuration& at) {
  auto some =
      only([](const Observation& o) { return o.model != "large" || o.at.world_size() == 1; });
  for (Observation& o : some) {
    if (o.model == "large") o.grad_bytes = grad_bytes;
  }
  const Prediction p = Predictor(calibrate_observations(some, "synthetic")).predict("large", at);
  EXPECT_EQ(p.refused, "");
  EXPECT_GT(p.low.value(), 0);
  return p.step_time.value();
}

TEST(Robustness, MoreGradientBytesNeverShortenAStep) {
  for (const Placement& placement : {Placement::even(1, 4), Placement::even(4, 16)}) {
    double before = 0;
    for (double bytes = 1e3; bytes <= 1e11; bytes *= 10) {
      const double t = predicted_with_bytes(bytes, {.placement = placement, .local_batch = 32});
      EXPECT_GE(t, before * (1 - 1e-3)) << bytes << " bytes on " << placement.text();
      before = t;
    }
  }
}

TEST(Robustness, ConstantTimesWhateverTheGpus) {
  // Ideal scaling, exactly: nothing may turn negative or infinite because nothing is exposed.
  auto ideal = rows();
  for (Observation& o : ideal) o.step_time_s = 0.01 * o.at.local_batch;
  EXPECT_GT(expect_sane(ideal), 0);
}

TEST(Robustness, OneInTwentyRowsOffTenfold) {
  for (size_t first = 0; first < 20; ++first) {
    auto spoilt = rows();
    for (size_t i = first; i < spoilt.size(); i += 20)
      spoilt[i].step_time_s *= i / 20 % 2 == 0 ? 10 : 0.1;
    SCOPED_TRACE("from row " + std::to_string(first));
    expect_sane(spoilt);
    expect_near_truth(spoilt, 0.25);
  }
}

// One rank's rows are what every scale is predicted from.
TEST(Robustness, AnyOneRankRowOffTenfold) {
  for (size_t i = 0; i < rows().size(); ++i) {
    if (rows()[i].at.world_size() != 1) continue;
    for (const double factor : {10.0, 0.1, 3.0}) {
      auto spoilt = rows();
      spoilt[i].step_time_s *= factor;
      SCOPED_TRACE(spoilt[i].model + " x " + std::to_string(spoilt[i].at.local_batch) + ", times " +
                   std::to_string(factor));
      expect_near_truth(spoilt, 0.15);
    }
  }
}

TEST(Robustness, ALonePointAmongManyStaysWithinReach) {
  std::vector<Observation> many;
  const auto add = [&](const Placement& placement, int batch) {
    Observation o;
    o.model = "m";
    o.at = {.placement = placement, .local_batch = batch};
    o.step_time_s = 0.02 + 0.001 * batch + 0.01 * (placement.world_size() - 1);
    many.push_back(o);
  };
  for (const int gpus : {1, 2, 4, 8}) {
    for (int batch = 1; batch <= 150; ++batch) add(Placement({gpus}), batch);
  }
  add(Placement({1, 1}), 7);
  add(Placement({16}), 300);
  const Predictor predictor(calibrate_observations(many, "synthetic"));
  for (const Observation& o : many) EXPECT_EQ(predictor.predict("m", o.at).refused, "");
}

TEST(Robustness, ThousandsOfTinyWorkloads) {
  std::vector<Observation> many;
  for (int i = 0; i < 2000; ++i) {
    for (const int gpus : {1, 2, 4, 8}) {
      Observation o;
      o.model = "w" + std::to_string(i);
      o.at = {.placement = Placement::even((gpus + 3) / 4, gpus), .local_batch = 16};
      o.step_time_s = 0.1 * (1 + i % 7) * (1 + 0.1 * std::log2(gpus));
      many.push_back(o);
    }
  }
  const Calibration calibration = calibrate_observations(many, "synthetic");
  EXPECT_EQ(calibration.workloads.size(), 2000u);
  const Predictor predictor(calibration);
  for (int i = 3; i < 2000; i += 101) {  // those that shape the network, and those that do not
    const Prediction p = predictor.predict(
        "w" + std::to_string(i), {.placement = Placement::even(4, 16), .local_batch = 16});
    ASSERT_EQ(p.refused, "");
    EXPECT_NEAR(p.step_time.value() / (0.1 * (1 + i % 7) * 1.4), 1, 0.1) << i;
  }
}

TEST(Robustness, NothingToFitIsAnError) {
  EXPECT_THROW(calibrate_observations({}, "nothing"), Error);
  auto all_test = rows();
  for (Observation& o : all_test) o.role = "test";
  EXPECT_THROW(calibrate_observations(all_test, "only tests"), Error);
}

TEST(Robustness, SlowerNetworksAndMoreSamplesNeverShortenAStep) {
  const Predictor predictor(calibrate_observations(rows(), "synthetic"));
  double before = 0;
  for (int batch = 8; batch <= 128; batch *= 2) {
    const double t =
        predictor.predict("large", {.placement = Placement::even(8, 32), .local_batch = batch})
            .step_time.value();
    EXPECT_GT(t, before) << batch;
    before = t;
  }
}

}  // namespace
}  // namespace forerun
