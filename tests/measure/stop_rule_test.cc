#include "measure/stop_rule.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "model/error.h"

namespace forerun {
namespace {

TEST(MedianInterval, SixSamplesSpanAll) {  // 1 - 2/2^6 = 96.9 %
  const MedianInterval i = median_interval({6, 5, 4, 3, 2, 1});
  EXPECT_DOUBLE_EQ(i.median, 3.5);
  EXPECT_DOUBLE_EQ(i.low, 1);
  EXPECT_DOUBLE_EQ(i.high, 6);
}

TEST(MedianInterval, TwentySamplesTakeTheSixthFromEachEnd) {  // Conover, table A3: n = 20, 2.07 %
  std::vector<double> samples;
  for (int i = 1; i <= 20; ++i) samples.push_back(i);
  const MedianInterval i = median_interval(samples);
  EXPECT_DOUBLE_EQ(i.low, 6);
  EXPECT_DOUBLE_EQ(i.high, 15);
  EXPECT_DOUBLE_EQ(i.relative_half_width(), 4.5 / 10.5);
}

TEST(MedianInterval, OneSampleSaysNothing) {
  EXPECT_TRUE(std::isinf(median_interval({1.0}).relative_half_width()));
  EXPECT_THROW(median_interval({}), Error);
}

TEST(MedianInterval, ContainsTheTruthNineteenTimesOfTwenty) {
  std::mt19937 random(1);
  std::lognormal_distribution<double> skewed(0, 0.5);  // median 1
  for (const int n : {6, 15, 40, 1200}) {
    int inside = 0;
    constexpr int kTrials = 2000;
    for (int t = 0; t < kTrials; ++t) {
      std::vector<double> samples(n);
      for (double& s : samples) s = skewed(random);
      const MedianInterval i = median_interval(samples);
      inside += i.low <= 1 && 1 <= i.high ? 1 : 0;
    }
    EXPECT_GE(inside, 0.94 * kTrials) << n << " samples";
  }
}

RC_GTEST_PROP(MedianInterval, HoldsItsMedianInAnyOrder, ()) {
  auto samples = *rc::gen::nonEmpty(rc::gen::container<std::vector<double>>(
      rc::gen::map(rc::gen::inRange(1, 1000), [](int v) { return v * 0.01; })));
  const MedianInterval before = median_interval(samples);
  std::reverse(samples.begin(), samples.end());
  const MedianInterval after = median_interval(samples);
  RC_ASSERT(before.low <= before.median && before.median <= before.high);
  RC_ASSERT(before.median == after.median && before.low == after.low);
}

TEST(WarmupSteps, DropsAtLeastTwo) {
  EXPECT_EQ(warmup_steps({}), 0);
  EXPECT_EQ(warmup_steps({1}), 1);
  EXPECT_EQ(warmup_steps(std::vector<double>(20, 1.0)), 2);
}

TEST(WarmupSteps, DropsUntilTimesSettle) {
  std::vector<double> times = {9, 6, 4, 3, 2, 1.5};
  times.insert(times.end(), 20, 1.0);
  EXPECT_EQ(warmup_steps(times), 6);
}

TEST(WarmupSteps, LeavesHalfEvenIfNothingSettles) {
  std::vector<double> falling;
  for (int i = 40; i > 0; --i) falling.push_back(i);
  EXPECT_LE(warmup_steps(falling), 20);
}

TEST(WarmupSteps, IsNotFooledByOneSlowStepInTheMiddle) {
  std::vector<double> times(30, 1.0);
  times[15] = 10;
  EXPECT_EQ(warmup_steps(times), 2);
}

TEST(HalfWidths, AreTheLargerOfStepsAndBlocks) {
  const std::vector<double> equal(6, 1.0), jittery = {1, 1.2, 1, 1.2, 1, 1.2};
  const std::vector<double> widths =
      half_widths({Blocks(20, equal), Blocks(20, jittery), Blocks{equal}, {}});
  EXPECT_LT(widths[0], 0.01);
  EXPECT_NEAR(widths[1], 0.1 / 1.1, 1e-9);  // its blocks agree, its steps do not
  EXPECT_GT(widths[2], widths[0]);          // one block does not tell what the next would
  EXPECT_TRUE(std::isinf(widths[3]));
}

TEST(PreciseEnough, NeedsSixSamplesAndTheGoalButNotForever) {
  const StopGoal goal{0.02, 100};
  EXPECT_FALSE(precise_enough(5, 0.01, goal));
  EXPECT_TRUE(precise_enough(6, 0.01, goal));
  EXPECT_FALSE(precise_enough(99, 0.03, goal));
  EXPECT_TRUE(precise_enough(100, 0.03, goal));
}

}  // namespace
}  // namespace forerun
