// Sweeps on four real processes: ranks 0 and 1 count as one node, 2 and 3 as another.
#include <gtest/gtest.h>

#include "measure/clock.h"
#include "measure/sweep.h"
#include "tests/measure/ranks.h"

namespace forerun {
namespace {

/// This launch as two hosts of two ranks.
class SweepOnTwoHosts : public testing::Test {
 protected:
  /// Groups of the first so many ranks, and what is nested in them.
  SweepGroups groups(const std::vector<int>& world_sizes) {
    prefixes_ = std::make_unique<Groups>(world(), world_sizes);
    return {job_, *prefixes_, world_sizes};
  }
  std::vector<Unswept> sweep(const SweepGroups& of) {
    return forerun::sweep(job_, of, options_, points_, [] {});
  }

  Watchdog watchdog_{60, [](const std::string&) {}};
  RankMap map_{{"a", "a", "b", "b"}, world().rank() % 2, 2};
  Job job_{world(), watchdog_, map_, Machine{}, clock_now()};
  std::unique_ptr<Groups> prefixes_;
  SweepOptions options_;
  std::vector<SweepPoint> points_;  ///< rank 0's
};

TEST_F(SweepOnTwoHosts, GroupsAreNested) {
  const SweepGroups nested = groups({1, 2, 4});
  std::vector<std::string> placements;
  for (const SweepGroup& g : nested.all()) {
    placements.push_back(g.placement.text());
    if (g.group != nullptr) {
      EXPECT_EQ(g.group->size(), g.placement.world_size());
    }
  }
  EXPECT_EQ(placements, (std::vector<std::string>{"2", "2+2", "1+1"}));
  EXPECT_EQ(nested.all()[2].group != nullptr, world().rank() % 2 == 0);
}

TEST_F(SweepOnTwoHosts, MeasuresEveryCollectiveOnEveryGroup) {
  options_.largest_bytes = 8192;
  options_.most_samples = 5;
  options_.deadline_s = clock_now() + 60;
  options_.collectives.assign(kCollectives.begin(), kCollectives.end());
  sweep(groups({2, 4}));
  if (world().rank() > 0) return;
  EXPECT_EQ(points_.size(), 3 * kCollectives.size() * 3);  // groups x collectives x 1, 4, 8 KiB
  for (const SweepPoint& p : points_) {
    EXPECT_GE(p.samples_s.size(), 5u);
    for (const double t : p.samples_s) EXPECT_GT(t, 0);
  }
}

TEST_F(SweepOnTwoHosts, MeasuresEveryPointOnceBeyondItsDeadline) {
  const SweepGroups all = groups({2, 4});
  options_.largest_bytes = 8192;
  options_.deadline_s = clock_now();
  options_.first_deadline_s = clock_now() + 60;
  EXPECT_TRUE(sweep(all).empty());
  if (world().rank() == 0) {
    EXPECT_EQ(points_.size(), 3u * 3u);  // groups x 1, 4, 8 KiB
  }
  for (const SweepPoint& p : points_) EXPECT_FALSE(p.samples_s.empty());
  options_.first_deadline_s = 0;
  options_.largest_bytes = 16384;
  const std::vector<Unswept> unswept = sweep(all);
  if (world().rank() > 0) return;
  EXPECT_EQ(unswept.size(), 3u);  // groups, at 16 KiB: smaller sizes have samples
  for (const Unswept& one : unswept) {
    EXPECT_EQ(one.point.size_bytes, 16384);
    EXPECT_GT(one.needed_s, 0);
  }
}

TEST_F(SweepOnTwoHosts, ExpectsOfASizeWhatTheNearestSmallerOneTook) {
  const SweepGroups all = groups({2, 4});
  options_.largest_bytes = 16384;
  options_.deadline_s = clock_now() + 10;
  for (const SweepGroup& g : all.all()) {  // 1 KiB is all latency: 16 of them would not fit
    points_.push_back({"allreduce", "mpi", g.placement, 1024, std::vector<double>(6, 5.0)});
    points_.push_back({"allreduce", "mpi", g.placement, 4096, std::vector<double>(6, 1e-3)});
  }
  EXPECT_TRUE(sweep(all).empty());
}

}  // namespace
}  // namespace forerun
