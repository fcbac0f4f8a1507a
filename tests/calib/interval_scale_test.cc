#include "calib/interval_scale.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "calib/calibrate.h"
#include "calib/process_fit.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

TEST(MixtureScale, ByHand) {
  EXPECT_NEAR(mixture_scale({1}), 1, 1e-5);
  EXPECT_NEAR(mixture_scale({0.5, 0.5}), 0.5, 1e-5);
  // Half of the mass lies at 0: the other half is outside with 20 %, beyond 1.28155 sd.
  EXPECT_NEAR(mixture_scale({1, 1e-3}), 1.28155 / 1.64485, 1e-4);
}

TEST(IntervalScale, WeighsMissesAgainstTheClaim) {
  EXPECT_EQ(interval_scale({}, 2), 1);
  EXPECT_NEAR(interval_scale({1, 1, 1}, 2), 1, 1e-5);
  EXPECT_NEAR(interval_scale({0.5, 3}, 1), mixture_scale({0.5, 3, 1}), 1e-5);
  EXPECT_LT(interval_scale({0.5, 0.5}, 1), interval_scale({0.5, 0.5}, 2));
  EXPECT_TRUE(std::isfinite(interval_scale({0, 0}, 1)));
}

TEST(IntervalScale, OneWorkloadWidensOnly) {
  EXPECT_EQ(interval_scale({0.2}, 2), 1);
  EXPECT_GT(interval_scale({3}, 2), 1.3);
}

/// Synthetic rows on 1, 2 and 4 GPUs of a node as the model says, those on 8 `slower`.
Calibration with_largest(double slower) {
  auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0.02, 3);
  for (Observation& o : rows) {
    if (o.at.world_size() == 8) o.step_time_s *= slower;
  }
  return calibrate_observations(rows, "synthetic");
}

TEST(IntervalScale, OfACalibrationGrowsWithWhatItsSecondFitMissed) {
  const double held = with_largest(1).networks[0].interval_scale;
  EXPECT_LT(held, 1.1);
  EXPECT_GT(with_largest(3).networks[0].interval_scale, 1.5 * held);
}

/// Rows at as many batches of one placement, whose excess is `sd` of white noise.
Series white_series(int rows, double sd) {
  std::mt19937 random(7);
  std::normal_distribution<> normal(0, sd);
  Series series = empty_series(static_cast<size_t>(rows));
  for (int i = 0; i < rows; ++i) {
    series.at[i] = {.at = {.batch = 12.0 * i, .nodes = 1, .ranks_per_node = 1},
                    .communication_share = 0.5};
    series.excess[i] = normal(random);
  }
  return series;
}

NetworkPrior network_prior() {
  NetworkPrior prior;
  prior.sd.fill(1);
  return prior;
}

TEST(UncertainAmplitudes, AreWiderTheLessIsKnown) {
  const auto widened = [](int rows) {
    const std::vector<Series> series = {white_series(rows, 0.2)};
    const NetworkPrior prior = network_prior();
    const ResidualProcess likeliest = fit_process(series, prior, default_process(), {});
    const ResidualProcess wide = with_uncertain_amplitudes(likeliest, series, prior, {});
    EXPECT_GE(wide.compute_sd, likeliest.compute_sd);
    EXPECT_GE(wide.placement_sd, likeliest.placement_sd);
    EXPECT_DOUBLE_EQ(wide.noise_sd, likeliest.noise_sd);
    EXPECT_DOUBLE_EQ(wide.batch_length, likeliest.batch_length);
    return wide.scale_sd / likeliest.scale_sd;
  };
  const double few = widened(3), many = widened(50);
  EXPECT_GT(many, 1);
  EXPECT_GT(few, many);
  EXPECT_LT(few, 2);  // as wide as the prior
}

TEST(UncertainAmplitudes, LeaveOutWhatIsLeftOut) {
  const std::vector<Series> series = {white_series(20, 0.1)};
  const Ingredients without{.placement = false};
  const ResidualProcess wide =
      with_uncertain_amplitudes(default_process(without), series, network_prior(), without);
  EXPECT_LT(wide.placement_sd, 1e-5);
}

}  // namespace
}  // namespace forerun
