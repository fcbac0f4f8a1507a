#include "measure/buckets.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

#include "model/error.h"

namespace forerun {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(AssignBuckets, FirstIsSmallOthersOvershootByOneParameter) {
  // 0.5 + 0.6 MiB close the first (>= 1), 20 + 6 the second (>= 25), 3 is left.
  const std::vector<size_t> sizes = {kMiB / 2, kMiB * 6 / 10, 20 * kMiB, 6 * kMiB, 3 * kMiB};
  const BucketAssignment buckets = assign_buckets(sizes, {0, 1, 2, 3, 4}, {});
  EXPECT_EQ(buckets, (BucketAssignment{{0, 1}, {2, 3}, {4}}));
}

TEST(AssignBuckets, FollowsTheGivenOrder) {
  EXPECT_EQ(assign_buckets({4, 4, 4}, {2, 0, 1}, {4, 8}), (BucketAssignment{{2}, {0, 1}}));
}

TEST(AssignBuckets, OneHugeParameterIsOneBucket) {
  EXPECT_EQ(assign_buckets({500 * kMiB}, {0}, {}).size(), 1u);
}

TEST(AssignBuckets, RefusesWhatIsNotAPermutation) {
  EXPECT_THROW(assign_buckets({4, 4}, {0, 0}, {}), Error);
  EXPECT_THROW(assign_buckets({4, 4}, {0}, {}), Error);
  EXPECT_THROW(assign_buckets({4, 4}, {0, 2}, {}), Error);
}

RC_GTEST_PROP(AssignBuckets, EveryParameterOnceAndEveryBucketButTheLastFull, ()) {
  const auto sizes =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(1, 100)));
  std::vector<int> order(sizes.size());
  std::iota(order.rbegin(), order.rend(), 0);
  const BucketLimits limits{10, 50};
  const BucketAssignment buckets = assign_buckets(sizes, order, limits);
  std::vector<int> flat;
  for (size_t b = 0; b < buckets.size(); ++b) {
    size_t bytes = 0;
    for (const int i : buckets[b]) bytes += sizes[i];
    const size_t limit = b == 0 ? limits.first_bytes : limits.cap_bytes;
    if (b + 1 < buckets.size()) RC_ASSERT(bytes >= limit);
    RC_ASSERT(bytes - sizes[buckets[b].back()] < limit);
    flat.insert(flat.end(), buckets[b].begin(), buckets[b].end());
  }
  RC_ASSERT(flat == order);
}

}  // namespace
}  // namespace forerun
