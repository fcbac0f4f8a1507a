#include "model/noise_scale.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace forerun {
namespace {

// McCandlish et al. (2018), section 2.3: at B = B_noise both costs are twice their minimum.
TEST(NoiseScale, AtTheNoiseScaleBothCostsDouble) {
  EXPECT_DOUBLE_EQ(relative_steps(1000, 1000), 2);
  EXPECT_DOUBLE_EQ(relative_samples(1000, 1000), 2);
}

TEST(NoiseScale, LimitsOfSmallAndLargeBatches) {
  EXPECT_NEAR(relative_samples(1, 1e9), 1, 1e-8);
  EXPECT_NEAR(relative_steps(1e9, 1), 1, 1e-8);
}

TEST(NoiseScale, EstimatesByHand) {
  // |g_i|^2 = |G|^2 + tr/b and |g|^2 = |G|^2 + tr/(n b), with |G|^2 = 4, tr = 24, b = 8, n = 3.
  const GradientNorms norms{4 + 24.0 / 8, 4 + 24.0 / 24, 3, 8};
  EXPECT_NEAR(gradient_sqr(norms), 4, 1e-12);
  EXPECT_NEAR(covariance_trace(norms), 24, 1e-12);
}

// Gradients drawn around a known mean with a known variance: the mean of the estimates is the truth
// within four standard errors.
TEST(NoiseScale, EstimatesAreUnbiased) {
  constexpr int kSteps = 20000, kRanks = 3, kBatch = 4, kSize = 5;
  constexpr double kGradient = 0.3, kSd = 2.0;
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, kSd / std::sqrt(kBatch));
  double sqr_sum = 0, sqr_sum2 = 0, trace_sum = 0, trace_sum2 = 0;
  for (int step = 0; step < kSteps; ++step) {
    GradientNorms norms{0, 0, kRanks, kBatch};
    std::vector<double> mean(kSize);
    for (int rank = 0; rank < kRanks; ++rank) {
      for (double& m : mean) {
        const double g = kGradient + noise(random);
        norms.mean_local_sqr += g * g / kRanks;
        m += g / kRanks;
      }
    }
    for (const double m : mean) norms.total_sqr += m * m;
    const double sqr = gradient_sqr(norms), trace = covariance_trace(norms);
    sqr_sum += sqr, sqr_sum2 += sqr * sqr, trace_sum += trace, trace_sum2 += trace * trace;
  }
  const auto expect_mean = [](double sum, double sum2, double truth) {
    const double mean = sum / kSteps;
    const double standard_error = std::sqrt((sum2 / kSteps - mean * mean) / kSteps);
    EXPECT_NEAR(mean, truth, 4 * standard_error);
    EXPECT_LT(standard_error, 0.05 * truth);
  };
  expect_mean(sqr_sum, sqr_sum2, kSize * kGradient * kGradient);
  expect_mean(trace_sum, trace_sum2, kSize * kSd * kSd);
}

}  // namespace
}  // namespace forerun
