#include "model/repeatability.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace forerun {
namespace {

/// Configurations of `blocks` blocks of 8 steps: jitter inside a block, drift between blocks.
std::vector<Blocks> drifting(int configurations, int blocks, double jitter, double drift,
                             std::mt19937& random) {
  std::normal_distribution<double> normal;
  std::vector<Blocks> out(configurations);
  for (Blocks& one : out) {
    for (int b = 0; b < blocks; ++b) {
      const double mood = drift * normal(random);
      one.emplace_back();
      for (int i = 0; i < 8; ++i) one.back().push_back(std::exp(mood + jitter * normal(random)));
    }
  }
  return out;
}

TEST(Repeatability, FindsDriftThatNoBlockShows) {
  std::mt19937 random(1);
  const auto all = repeatability(drifting(20, 6, 0.002, 0.05, random));
  for (const Repeatability& one : all) {
    EXPECT_NEAR(std::sqrt(one.block_variance), 0.05, 0.025);
    EXPECT_EQ(one.blocks, 6);
    EXPECT_EQ(one.freedom, 5 + kPooledFreedom);
  }
}

TEST(Repeatability, IntervalsOfMediansHoldNineteenTimesOfTwenty) {
  std::mt19937 random(2);
  int inside = 0, all = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const std::vector<Blocks> configurations = drifting(10, 4, 0.01, 0.03, random);
    const auto repeats = repeatability(configurations);
    for (size_t i = 0; i < configurations.size(); ++i) {
      double mean = 0;  // truth: 0
      for (const auto& block : configurations[i]) {
        for (const double step : block) mean += std::log(step) / 32;
      }
      inside += std::abs(mean) <= repeats[i].half_width() ? 1 : 0;
      ++all;
    }
  }
  EXPECT_NEAR(inside / double(all), 0.95, 0.02);
}

TEST(Repeatability, OneBlockIsJudgedByTheOthers) {
  std::mt19937 random(3);
  std::vector<Blocks> steady = drifting(20, 5, 0, 0.001, random);
  std::vector<Blocks> restless = drifting(20, 5, 0, 0.1, random);
  steady.push_back({{1, 1, 1}});
  restless.push_back({{1, 1, 1}});
  EXPECT_LT(repeatability(steady).back().half_width(), 0.02);
  EXPECT_GT(repeatability(restless).back().half_width(), 0.2);
}

TEST(Repeatability, AloneItIsTheUsualSpread) {
  const auto one = repeatability({{{1, 1, 1}}, {}});
  EXPECT_NEAR(one[0].half_width(), 2.776 * kUsualSpread, 1e-3);  // t(4), at 97.5 %
  EXPECT_EQ(one[1].blocks, 0);
}

}  // namespace
}  // namespace forerun
