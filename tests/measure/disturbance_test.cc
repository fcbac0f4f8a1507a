#include "measure/disturbance.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "measure/clock.h"

namespace forerun {
namespace {

/// Two ranks; `taken` is of the second one's steps of 1 s.
MeasuredConfiguration two_ranks(const std::vector<double>& taken) {
  MeasuredConfiguration measured;
  for (int rank = 0; rank < 2; ++rank) {
    RankSteps steps{.rank = rank, .host = "a"};
    for (size_t i = 0; i < taken.size(); ++i) {
      const auto at = static_cast<double>(i);
      steps.load_s.push_back(0);
      steps.forward_s.push_back(0.3 + at);
      steps.backward_s.push_back(0.6);
      steps.exposed_comm_s.push_back(0);
      steps.optimizer_s.push_back(0.1);
      steps.step_time_s.push_back(1);
      steps.taken_s.push_back(rank == 1 ? taken[i] : 0);
    }
    measured.ranks.push_back(steps);
  }
  return measured;
}

TEST(SetDisturbedApart, KeepsTheStepsOfAllRanksTogether) {
  MeasuredConfiguration measured = two_ranks({0, 0.5, 0.01, 0, 0.03});
  set_disturbed_apart(measured);
  ASSERT_EQ(measured.ranks.size(), 2u);
  ASSERT_EQ(measured.disturbed.size(), 2u);
  EXPECT_EQ(measured.ranks[0].forward_s, (std::vector<double>{0.3, 2.3, 3.3}));
  EXPECT_EQ(measured.disturbed[0].forward_s, (std::vector<double>{1.3, 4.3}));
  EXPECT_EQ(measured.disturbed[1].taken_s, (std::vector<double>{0.5, 0.03}));
  EXPECT_EQ(disturbed_steps(measured.ranks), 0u);
}

TEST(SetDisturbedApart, KeepsAllWhereFewRemain) {
  MeasuredConfiguration measured = two_ranks({0, 0.5, 0.5, 0, 0.5});
  set_disturbed_apart(measured);
  EXPECT_EQ(measured.ranks[0].step_time_s.size(), 5u);
  EXPECT_TRUE(measured.disturbed.empty());
  EXPECT_EQ(disturbed_steps(measured.ranks), 3u);
}

TEST(SetDisturbedApart, JudgesAnewWhenMoreWasMeasured) {
  MeasuredConfiguration measured = two_ranks({0, 0.5, 0, 0});
  set_disturbed_apart(measured);
  ASSERT_EQ(measured.disturbed[0].step_time_s.size(), 1u);
  set_disturbed_apart(measured);
  EXPECT_EQ(measured.ranks[0].step_time_s.size(), 3u);
  EXPECT_EQ(measured.disturbed[0].step_time_s.size(), 1u);
}

TEST(SetDisturbedApart, ProfilesWithoutTakenTimeStayAsTheyAre) {
  MeasuredConfiguration measured = two_ranks({0.5, 0.5, 0.5, 0.5});
  for (RankSteps& rank : measured.ranks) rank.taken_s.clear();
  set_disturbed_apart(measured);
  EXPECT_EQ(measured.ranks[0].step_time_s.size(), 4u);
  EXPECT_TRUE(measured.disturbed.empty());
}

/// Works for `seconds` of this thread's own processor time.
double burn(double seconds) {
  volatile double x = 1;
  const clock_t start = std::clock();
  while (std::clock() - start < seconds * CLOCKS_PER_SEC) x = x * 1.0000001;
  return x;
}

TEST(TakenTime, SeesAProgramOnTheSameProcessor) {
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &before)) ++cpu;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  const pid_t other = ::fork();
  if (other == 0) {
    while (true) burn(1);
  }
  TakenTime taken;
  const double start = clock_now();
  burn(0.3);
  const double wall = clock_now() - start;
  const double seen = taken.lap_s();
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  ::sched_setaffinity(0, sizeof before, &before);
  if (::access("/proc/thread-self/schedstat", R_OK) != 0) GTEST_SKIP() << "no schedstat here";
  // All that was not our own 0.3 s, but for what the clocks round.
  EXPECT_NEAR(seen, wall - 0.3, 0.05 + 0.1 * wall);
  EXPECT_GT(seen, 0.05);
}

}  // namespace
}  // namespace forerun
