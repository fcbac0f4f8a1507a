#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "measure/data/dataset.h"
#include "model/error.h"

namespace forerun {
namespace {

RC_GTEST_PROP(Sampler, RanksTogetherTakeWhatOneRankWouldTake, ()) {
  const int world = *rc::gen::inRange(1, 9);
  const int64_t batch = world * *rc::gen::inRange<int64_t>(1, 9);
  const int64_t size = batch + *rc::gen::inRange<int64_t>(0, 100);
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const int64_t step = *rc::gen::inRange<int64_t>(0, 50);
  const Sampler sampler(size, batch, seed);
  std::vector<int64_t> together;
  for (int rank = 0; rank < world; ++rank) {
    // Each rank has a sampler of its own.
    const std::vector<int64_t> share = Sampler(size, batch, seed).share(step, rank, world);
    RC_ASSERT(static_cast<int64_t>(share.size()) == batch / world);
    together.insert(together.end(), share.begin(), share.end());
  }
  RC_ASSERT(together == sampler.share(step, 0, 1));
}

RC_GTEST_PROP(Sampler, AnEpochTakesNoSampleTwice, ()) {
  const auto batch = *rc::gen::inRange<int64_t>(1, 20);
  const int64_t size = batch + *rc::gen::inRange<int64_t>(0, 100);
  const Sampler sampler(size, batch, *rc::gen::arbitrary<uint64_t>());
  const int64_t epoch = *rc::gen::inRange<int64_t>(0, 4);
  std::set<int64_t> seen;
  for (int64_t step = 0; step < sampler.steps_per_epoch(); ++step) {
    for (int64_t index : sampler.share(epoch * sampler.steps_per_epoch() + step, 0, 1)) {
      RC_ASSERT(index >= 0 && index < size);
      RC_ASSERT(seen.insert(index).second);
    }
  }
  RC_ASSERT(static_cast<int64_t>(seen.size()) == size / batch * batch);
}

TEST(Sampler, EpochsAndSeedsDiffer) {
  const Sampler sampler(1000, 1000, 1);
  EXPECT_NE(sampler.share(0, 0, 1), sampler.share(1, 0, 1));
  EXPECT_NE(sampler.share(0, 0, 1), Sampler(1000, 1000, 2).share(0, 0, 1));
  EXPECT_NE(sampler.share(0, 0, 1), Sampler(1000, 1000, 1 + (uint64_t{1} << 32)).share(0, 0, 1));
}

TEST(Sampler, RefusesWhatDoesNotDivide) {
  EXPECT_THROW(Sampler(10, 11, 0), UsageError);
  EXPECT_THROW(Sampler(10, 0, 0), UsageError);
  EXPECT_THROW(Sampler(10, 4, 0).share(0, 0, 3), UsageError);
  EXPECT_THROW(Sampler(10, 4, 0).share(0, 2, 2), UsageError);
}

}  // namespace
}  // namespace forerun
