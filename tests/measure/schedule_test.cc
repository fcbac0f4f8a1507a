#include "measure/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace forerun {
namespace {

/// A machine on which a step of b samples takes b milliseconds, with noise from step to step and
/// drift from block to block; runs a schedule.
class Rehearsal {
 public:
  explicit Rehearsal(double noise, double drift = 0) : noise_(noise), drift_(drift) {}

  void run(Schedule& schedule) {
    while (const auto block = schedule.next(now_)) {
      const Question& question = schedule.questions()[block->question];
      std::vector<double> times;
      const double start = now_;
      const double mood = drift_ * normal_(random_);
      for (int i = 0; i < block->discard + block->steps; ++i) {
        const double step =
            1e-3 * question.local_batch * std::exp(mood + noise_ * normal_(random_));
        now_ += step;
        if (i >= block->discard) times.push_back(step);
      }
      order_.push_back(block->question);
      schedule.record(*block, times, now_ - start);
      ASSERT_LT(order_.size(), 100000u);
    }
  }

  double now() const { return now_; }
  const std::vector<int>& order() const { return order_; }

 private:
  double noise_, drift_, now_ = 0;
  std::mt19937 random_{7};
  std::normal_distribution<double> normal_;
  std::vector<int> order_;
};

std::vector<Question> questions(const std::vector<int>& batches) {
  std::vector<Question> out;
  for (const int b : batches) out.push_back({"net", "ddp", 1, b, 1e6});
  return out;
}

TEST(Schedule, QuietMachineSettlesEverythingEarly) {
  Schedule schedule(questions({10, 40, 20}), StopGoal{}, 100);
  Rehearsal machine(0.001);
  machine.run(schedule);
  for (int q = 0; q < 3; ++q) EXPECT_TRUE(schedule.precise(q));
  EXPECT_TRUE(schedule.left_out().empty());
  EXPECT_LT(machine.now(), 20);
}

TEST(Schedule, StartsWithTheCheapest) {
  Schedule schedule(questions({400, 100, 200}), StopGoal{}, 1000);
  Rehearsal machine(0.01);
  machine.run(schedule);
  ASSERT_GE(machine.order().size(), 3u);
  EXPECT_EQ(std::vector<int>(machine.order().begin(), machine.order().begin() + 3),
            (std::vector<int>{1, 2, 0}));
}

TEST(Schedule, BlocksBeforeAGpuHasSettledAreWarmup) {
  Schedule schedule(questions({100}), StopGoal{1e-9, 1000}, 60);
  const auto record = [&](double clock_hz, double step_s) {
    const auto block = schedule.next(0);
    ASSERT_TRUE(block.has_value());
    schedule.record(*block, std::vector<double>(block->steps, step_s), 0.5, clock_hz);
  };
  record(1.2e9, 0.11);
  record(1.5e9, 0.105);
  for (int i = 0; i < 4; ++i) record(1.9e9, 0.1);
  const std::vector<double> counted = schedule.samples(0);
  EXPECT_EQ(std::ranges::count(counted, 0.1), static_cast<long>(counted.size()));
  EXPECT_GT(schedule.warmup(0), kLeastWarmup);
}

TEST(Schedule, TakesTurnsWhileNoisy) {
  Schedule schedule(questions({100, 101}), StopGoal{1e-9, 1000}, 60);
  Rehearsal machine(0.1);
  machine.run(schedule);
  const std::vector<int>& order = machine.order();
  for (size_t i = 2; i < order.size(); ++i) {
    EXPECT_FALSE(order[i] == order[i - 1] && order[i] == order[i - 2]) << "turn " << i;
  }
  const auto first = std::count(order.begin(), order.end(), 0);
  EXPECT_NEAR(2.0 * static_cast<double>(first), static_cast<double>(order.size()),
              0.1 * static_cast<double>(order.size()));
}

TEST(Schedule, LongStepsGetTheirShareOfBlocks) {  // n sqrt(t) is equal: 1 : 16 in t, 4 : 1 in n
  Schedule schedule(questions({20, 8000}), StopGoal{1e-9, 100000}, 2000);
  Rehearsal machine(0.05);
  machine.run(schedule);
  const auto first = std::ranges::count(machine.order(), 0);
  const auto second = std::ranges::count(machine.order(), 1);
  EXPECT_NEAR(static_cast<double>(first) / static_cast<double>(second), 4, 0.4);
}

TEST(Schedule, DriftBetweenBlocksNeedsMoreOfThem) {
  Schedule steady(questions({50, 60, 70}), StopGoal{}, 1000);
  Rehearsal quiet(0.002);
  quiet.run(steady);
  Schedule restless(questions({50, 60, 70}), StopGoal{}, 1000);
  Rehearsal drifting(0.002, 0.05);
  drifting.run(restless);
  EXPECT_GT(drifting.order().size(), 3 * quiet.order().size());
  for (int q = 0; q < 3; ++q) {
    EXPECT_TRUE(steady.precise(q) && restless.precise(q));
    EXPECT_LE(restless.half_width(q), 0.02);
  }
}

TEST(Schedule, KeepsTheDeadlineWithinAStep) {
  for (const double deadline : {3.0, 10.0, 50.0}) {
    Schedule schedule(questions({100, 200, 400, 1000}), StopGoal{1e-9, 100000}, deadline);
    Rehearsal machine(0.05);
    machine.run(schedule);
    EXPECT_LE(machine.now(), deadline * 1.02);
    EXPECT_GE(machine.now(), deadline * 0.6);
  }
}

TEST(Schedule, LeavesOutWhatDoesNotFitAndSaysWhy) {
  Schedule schedule(questions({100, 100000}), StopGoal{}, 20);
  Rehearsal machine(0.01);
  machine.run(schedule);
  EXPECT_TRUE(schedule.precise(0));
  ASSERT_TRUE(schedule.left_out().contains(1));
  EXPECT_EQ(schedule.left_out().at(1).substr(0, 19), "5 steps need about ");
}

TEST(Schedule, EveryStartedQuestionGetsAnAnswer) {
  // Steps of 0.1 to 1.6 s: not all fit into 12 s, but no promise is broken.
  Schedule schedule(questions({100, 200, 400, 800, 1600}), StopGoal{}, 12);
  Rehearsal machine(0.02);
  machine.run(schedule);
  for (int q = 0; q < 5; ++q) {
    EXPECT_TRUE(schedule.left_out().contains(q) || schedule.samples(q).size() >= 3u) << q;
  }
  EXPECT_TRUE(schedule.left_out().contains(4));
}

TEST(Schedule, EarlierSamplesCount) {
  Schedule schedule(questions({100}), StopGoal{}, 1000);
  schedule.preload(0, Blocks(10, {0.1, 0.1}));
  EXPECT_TRUE(schedule.precise(0));
  EXPECT_FALSE(schedule.next(0));
}

TEST(Schedule, OutOfMemoryEndsLargerBatchesToo) {
  Schedule schedule(questions({1, 2, 4}), StopGoal{}, 1000);
  schedule.out_of_memory(1);
  EXPECT_TRUE(schedule.settled(1));
  EXPECT_TRUE(schedule.left_out().contains(2));
  EXPECT_FALSE(schedule.settled(0));
}

TEST(Schedule, NothingAskedIsDone) {
  Schedule schedule({}, StopGoal{}, 10);
  EXPECT_FALSE(schedule.next(0));
}

}  // namespace
}  // namespace forerun
