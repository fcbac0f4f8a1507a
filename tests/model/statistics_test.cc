#include "model/statistics.h"

#include <gtest/gtest.h>

#include "model/error.h"

namespace forerun {
namespace {

TEST(Quantile, IsLinearBetweenOrderStatistics) {
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 0.5), 2);
  EXPECT_DOUBLE_EQ(quantile({10, 0}, 0.9), 9);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2, 5}, 0.3), 2.2);
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 0), 1);
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 1), 3);
  EXPECT_DOUBLE_EQ(quantile({7}, 0.9), 7);
}

TEST(Quantile, OfNothingThrows) { EXPECT_THROW(quantile({}, 0.5), Error); }

TEST(Median, OfAnEvenNumberIsTheMeanOfTheMiddleTwo) {
  EXPECT_DOUBLE_EQ(median({4, 1, 3, 100}), 3.5);
  EXPECT_DOUBLE_EQ(median({2, 1, 100}), 2);
}

TEST(Median, OfWhatWasNotTimedIsZero) {
  EXPECT_EQ(median_or_zero({}), 0);
  EXPECT_EQ(median_or_zero({2, 4}), 3);
}

}  // namespace
}  // namespace forerun
