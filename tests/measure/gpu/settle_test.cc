#include "measure/gpu/settle.h"

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(UnsettledBlocks, AreThoseBeforeTheClockHasRisen) {
  EXPECT_EQ(unsettled_blocks({{0.15, 1.2e9},
                              {0.12, 1.5e9},
                              {0.1, 1.9e9},
                              {0.1, 1.9e9},
                              {0.1, 1.89e9},
                              {0.101, 1.9e9}}),
            2);
}

TEST(UnsettledBlocks, AreThoseWhoseStepsAreSlowerAtTheSameClock) {
  EXPECT_EQ(unsettled_blocks({{0.11, 1.9e9}, {0.1, 1.9e9}, {0.1, 1.9e9}, {0.1, 1.9e9}}), 1);
}

TEST(UnsettledBlocks, AreHalfAtMost) {
  EXPECT_EQ(unsettled_blocks({}), 0);
  EXPECT_EQ(unsettled_blocks({{0.1, 1.2e9}}), 0);
  EXPECT_EQ(unsettled_blocks({{0.4, 1e9}, {0.3, 1.2e9}, {0.2, 1.5e9}, {0.1, 1.9e9}}), 2);
}

TEST(UnsettledBlocks, AreNotToldWithoutClocks) {
  EXPECT_EQ(unsettled_blocks({{0.4, 0}, {0.1, 0}, {0.1, 0}, {0.1, 0}}), 0);
}

}  // namespace
}  // namespace forerun
