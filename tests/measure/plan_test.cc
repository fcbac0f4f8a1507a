#include "measure/plan.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "tests/support.h"

namespace forerun {
namespace {

using Batches = std::vector<int>;

TEST(DefaultWorldSizes, PowersOfTwoAndAll) {
  EXPECT_EQ(default_world_sizes(1), (Batches{1}));
  EXPECT_EQ(default_world_sizes(2), (Batches{1, 2}));
  EXPECT_EQ(default_world_sizes(6), (Batches{1, 2, 4, 6}));
}

TEST(LocalBatchGrid, CoversBatch128OnTwoCores) {
  EXPECT_EQ(local_batch_grid({128}, {1, 2}, 1), (Batches{32, 64, 128, 192}));
  EXPECT_EQ(local_batch_grid({128}, {1, 2}, 2), (Batches{32, 64, 96}));
}

TEST(LocalBatchGrid, AnchorsFourBatchesWhereOnlyOneIsAsked) {
  EXPECT_EQ(local_batch_grid({128}, {1}, 1).size(), 4u);
  EXPECT_EQ(local_batch_grid({1}, {1}, 1), (Batches{1, 2, 3, 4}));
}

RC_GTEST_PROP(LocalBatchGrid, HoldsEveryAnswerWithNeighbours, ()) {
  const std::vector<int> worlds = default_world_sizes(*rc::gen::inRange(1, 65));
  int unit = 1;
  for (const int n : worlds) unit = unit % n == 0 ? unit : unit * n;
  const int batch = unit * *rc::gen::inRange(1, 9);
  for (const int n : worlds) {
    const Batches grid = local_batch_grid({batch}, worlds, n);
    RC_ASSERT(std::is_sorted(grid.begin(), grid.end()));
    RC_ASSERT(std::find(grid.begin(), grid.end(), batch / n) != grid.end());
    RC_ASSERT(grid.size() >= (n == 1 ? 4u : 3u));
    RC_ASSERT(grid.back() > batch / n);
    RC_ASSERT(grid.front() < batch / n || batch / n == 1);
  }
}

TEST(RequireDivisible, NamesTheNearest) {
  require_divisible({128, 64}, {1, 2, 4});
  EXPECT_EQ(error_of([] {
              require_divisible({130}, {1, 4});
            }),
            "--batch 130 cannot be split evenly over 4 ranks; take 128 or 132, or other "
            "--world-sizes");
  EXPECT_EQ(error_of([] { require_divisible({3}, {8}); }),
            "--batch 3 cannot be split evenly over 8 ranks; take 8, or other --world-sizes");
}

}  // namespace
}  // namespace forerun
