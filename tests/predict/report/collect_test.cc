#include "predict/report/collect.h"

#include <gtest/gtest.h>

#include "calib/calibrate.h"
#include "predict/report/collect_curves.h"
#include "tests/predict/hand_made.h"

namespace forerun {
namespace {

/// "net" by zero1 in bfloat16 on up to 8 GPUs, noiseless.
Predictor by_zero1() {
  return Predictor(calibrate_observations(
      hand_made_observations({.strategy = "zero1", .precision = "bfloat16"}), "made by hand"));
}

TEST(CollectScaling, DrawsAWorkloadByItsOwnStrategy) {
  const auto curves = collect_scaling(Machine(), by_zero1(), {});
  ASSERT_EQ(curves.size(), 1u);
  EXPECT_EQ(curves[0].model, "net/zero1@bfloat16");
  int compared = 0;
  for (const BatchScaling& batch : curves[0].strong) {
    for (const auto& point : batch.points) {
      EXPECT_NEAR(point.predicted.step_time / step_time(hand_made_model(), point.at).total(), 1,
                  0.02);
      ++compared;
    }
  }
  EXPECT_GT(compared, 0);
}

TEST(CollectReport, ComparesARunWithItsOwnStrategysPrediction) {
  forerun::Run run;
  run.model = "net";
  run.steps.at = {
      .placement = Placement({8}), .local_batch = 24, .strategy = "zero1", .precision = "bfloat16"};
  run.steps.role = "test";
  const double step = step_time(hand_made_model(), run.steps.at).total().value();
  run.steps.ranks = {{.step_time_s = {step, step}}};
  const ReportData data = collect_report({}, by_zero1(), {run});
  ASSERT_EQ(data.checks.size(), 1u);
  ASSERT_EQ(data.checks[0].predicted.refused, "");
  EXPECT_NEAR(data.checks[0].relative_error(), 0, 0.02);
}

TEST(CollectRecommended, KnowsAWorkloadOfAnotherStrategy) {
  const auto recommended = collect_recommended(by_zero1());
  ASSERT_FALSE(recommended.empty());
  EXPECT_EQ(recommended.front().model, "net/zero1@bfloat16");
}

}  // namespace
}  // namespace forerun
