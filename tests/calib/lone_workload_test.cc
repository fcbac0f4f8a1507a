#include "calib/lone_workload.h"

#include <gtest/gtest.h>

#include "calib/calibrate.h"
#include "calib/interval_scale.h"
#include "calib/predictor.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

/// Three synthetic workloads measured everywhere, and `lone`, made like the first, on one GPU.
/// `told`: what the third says of its bytes, over what they are.
std::vector<Observation> rows(double told) {
  std::vector<SyntheticWorkload> workloads = synthetic_cluster();
  workloads.push_back(workloads[0]);
  workloads.back().name = "third";
  workloads.back().model.grad_bytes = 60_MB;
  std::vector<Observation> out = synthetic_rows(workloads, synthetic_placements(), 0.02, 4);
  for (Observation& o : out) {
    if (o.model == "third") *o.grad_bytes *= told;
  }
  workloads = {workloads[0]};
  workloads[0].name = "lone";
  for (const Observation& o : synthetic_rows(workloads, {Placement::even(1, 1)}, 0.02, 5)) {
    out.push_back(o);
  }
  return out;
}

double scale(const std::vector<Observation>& of) {
  return lone_interval_scale(calibrate_observations(of, "synthetic"), 0, 0);
}

/// The scale where the formulas hold for all three others and each has this amplitude.
double scale_at_amplitude(double amplitude, const std::vector<Observation>& of = rows(1)) {
  Calibration calibration = calibrate_observations(of, "synthetic");
  for (WorkloadCalibration& w : calibration.workloads) w.amplitude = amplitude;
  return lone_interval_scale(calibration, 0, 0);
}

TEST(LoneIntervalScale, NeverNarrows) { EXPECT_EQ(scale_at_amplitude(1), 1); }

TEST(LoneIntervalScale, IsNearOneWhereAllAreAsClaimed) {
  EXPECT_GE(scale(rows(1)), 1);
  EXPECT_LT(scale(rows(1)), 1.1);
}

TEST(LoneIntervalScale, IsOneWhereNobodyCanTell) {
  std::vector<Observation> silent = rows(1);
  for (Observation& o : silent) {
    if (o.model != "lone") o.grad_bytes.reset();
  }
  EXPECT_EQ(scale_at_amplitude(1, silent), 1);
}

TEST(LoneIntervalScale, WidensWhereTheOthersAreIrregular) {
  EXPECT_NEAR(scale_at_amplitude(2), mixture_scale({2, 2, 2, 1}), 1e-5);
}

TEST(LoneIntervalScale, WidensWhereBytesAreWrong) { EXPECT_GT(scale(rows(10)), 1.2); }

TEST(LoneIntervalScale, LeavesTheTruthInsideAndOneGpuAsItIs) {
  const Predictor predictor(calibrate_observations(rows(1), "synthetic"));
  const SyntheticWorkload truth = synthetic_cluster()[0];
  int inside = 0, all = 0;
  for (const Placement& placement : synthetic_placements()) {
    for (const int batch : truth.batches) {
      const Configuration at{.placement = placement, .local_batch = batch};
      const Prediction p = predictor.predict("lone", at);
      ASSERT_EQ(p.refused, "");
      const double step = step_time(truth.model, at).total().value();
      inside += p.low.value() <= step && step <= p.high.value();
      ++all;
      // Known from its own rows: 2 % noise, whatever the others say.
      if (placement.world_size() == 1) {
        EXPECT_GT(p.high / p.low, 1.04);
      }
    }
  }
  EXPECT_GE(inside, all * 9 / 10);
}

}  // namespace
}  // namespace forerun
