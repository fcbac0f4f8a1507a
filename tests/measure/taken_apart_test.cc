#include "measure/taken_apart.h"

#include <gtest/gtest.h>

namespace forerun {
namespace {

std::vector<SweepPoint> sweep() {
  return {{"allreduce", "mpi", Placement({2}), 1000, {1e-3}},
          {"allreduce", "mpi", Placement({2}), 4000, {4e-3, 2e-3, 3e-3}},
          {"allreduce", "mpi", Placement({1, 1}), 1000, {9}},
          {"broadcast", "mpi", Placement({2}), 1000, {0.5e-3}}};
}

TEST(AloneS, InterpolatesItsOwnPlacementAndCollective) {
  EXPECT_EQ(alone_s(sweep(), "allreduce", Placement({2}), 1000), 1e-3);
  EXPECT_EQ(alone_s(sweep(), "allreduce", Placement({2}), 10), 1e-3);
  EXPECT_NEAR(*alone_s(sweep(), "allreduce", Placement({2}), 8000), 6e-3, 1e-12);
  // Halfway in log(size) between 1 ms and the median 3 ms: sqrt(3) ms.
  EXPECT_NEAR(*alone_s(sweep(), "allreduce", Placement({2}), 2000), 1.7320508e-3, 1e-9);
  EXPECT_EQ(alone_s(sweep(), "broadcast", Placement({2}), 1000), 0.5e-3);
  EXPECT_EQ(alone_s(sweep(), "allreduce", Placement({4}), 1000), std::nullopt);
  EXPECT_EQ(alone_s(sweep(), "allreduce", Placement({2}), 33000), std::nullopt);  // too far to say
}

/// Two ranks, two steps. Rank 1 computes 1 ms longer, and leaves the collective 1 ms later.
MeasuredConfiguration measured() {
  MeasuredConfiguration m;
  m.at.placement = Placement({2});
  for (int r = 0; r < 2; ++r) {
    const double late = 1e-3 * r;
    m.ranks.push_back(
        {.rank = r,
         .host = "a",
         .load_s = {0, 0},
         .forward_s = {0.01, 0.01},
         .backward_s = {0.022 + late, 0.022 + late},
         .exposed_comm_s = {2e-3 - late, 4e-3 - late},
         .optimizer_s = {0, 0},
         .step_time_s = {0.034, 0.036},
         .quiet_backward_s = {0.020, 0.020},
         .quiet_comm_s = {3e-3, 3e-3},
         .timeline = {
             {"allreduce", 0, 1000, {0.01, 0.01}, {0.02, 0.02}, {0.023 + late, 0.022 + late}}}});
  }
  return m;
}

TEST(TakeApart, ByHand) {
  const CommunicationFigures figures = take_apart(measured(), sweep());
  EXPECT_NEAR(figures.exposed_s->median, 3e-3, 1e-12);  // rank 0's: 2 and 4 ms
  EXPECT_NEAR(figures.exposed_s->low, 2e-3, 1e-12);
  EXPECT_NEAR(figures.exposed_s->high, 4e-3, 1e-12);
  EXPECT_NEAR(figures.waiting_s->median, 0.5e-3, 1e-12);  // 33 ms against a mean of 32.5 ms
  // The first rank to leave: 3 and 2 ms, alone 1 ms.
  EXPECT_NEAR(figures.slower_inside->median, 2.5, 1e-9);
  EXPECT_NEAR(figures.slower_inside->low, 2, 1e-9);
  EXPECT_NEAR(figures.slower_inside->high, 3, 1e-9);
  EXPECT_NEAR(figures.slows_compute->median, 22.5 / 20, 1e-9);
}

TEST(TakeApart, LeavesOutWhatNothingWasComparedWith) {
  MeasuredConfiguration m = measured();
  EXPECT_FALSE(take_apart(m, {}).slower_inside);
  for (RankSteps& rank : m.ranks) rank.quiet_backward_s.resize(1);  // has no interval
  EXPECT_FALSE(take_apart(m, sweep()).slows_compute);
  m.at.placement = Placement();
  m.ranks.pop_back();
  EXPECT_EQ(take_apart(m, sweep()), CommunicationFigures{});
}

TEST(TakeApart, OneProcessForAllDevicesHasNoSweepLikeIt) {
  MeasuredConfiguration m = measured();
  m.at.strategy = "dataparallel";
  m.ranks.pop_back();
  const CommunicationFigures figures = take_apart(m, sweep());
  EXPECT_TRUE(figures.exposed_s);
  EXPECT_FALSE(figures.slower_inside);
  EXPECT_FALSE(figures.waiting_s);
}

}  // namespace
}  // namespace forerun
