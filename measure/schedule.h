// Which configuration trains next, for how many steps, so that all are measured alike within a
// budget. No clock and no training inside: time is an argument.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "measure/gpu/settle.h"
#include "measure/plan.h"
#include "measure/stop_rule.h"

namespace forerun {

/// Seconds: longer steps do not feel that something else had the caches before them.
inline constexpr double kColdStart = 0.5;

/// A run of steps of one question without interruption.
struct Block {
  int question = 0;
  int discard = 0;  ///< first steps that do not count: caches were another's
  int steps = 1;    ///< that count
  double expected_s = 0;
};

/// Every question is started, cheapest first, as long as the time that is left holds a useful
/// answer to it; then all take turns in short blocks, so that drift of the machine hits all alike,
/// until each is precise enough or the time is over.
class Schedule {
 public:
  /// Times are seconds on any clock; `deadline_s` is where the last step must have ended.
  Schedule(std::vector<Question> questions, const StopGoal& goal, double deadline_s);

  /// Blocks of an earlier run count.
  void preload(int question, Blocks blocks);
  /// nullopt: done.
  std::optional<Block> next(double now_s);
  /// What a block brought: step times (slowest rank) without the discarded ones, what the whole
  /// block took, and the clock that GPUs had (0: unknown).
  void record(const Block& block, const std::vector<double>& step_times_s, double block_s,
              double sm_clock_hz = 0);
  /// No further block of this question, and none of larger batches of its model on as many ranks.
  void out_of_memory(int question);

  /// Nothing that was asked is open: every question precise, left out, or out of memory.
  bool settled(int question) const;
  bool precise(int question) const;
  /// See half_widths().
  double half_width(int question) const { return states_[question].half_width; }
  /// Why a question has no answer; by question.
  const std::map<int, std::string>& left_out() const { return left_out_; }
  const std::vector<Question>& questions() const { return questions_; }
  /// All step times that count so far, after warm-up.
  std::vector<double> samples(int question) const;
  int warmup(int question) const;
  /// Expected time until everything is precise or the deadline comes.
  double time_left(double now_s) const;

 private:
  struct State {
    Blocks earlier, blocks;            ///< with the steps of warm-up
    std::vector<BlockState> settling;  ///< of `blocks`
    double half_width = std::numeric_limits<double>::infinity();
    bool out_of_memory = false;
  };

  /// Earlier ones, and ours without the warm-up.
  Blocks counted(int question) const;
  void judge();

  double expected_step(int question) const;
  double open_promises() const;
  std::optional<Block> start_next(double now_s);
  std::optional<Block> take_turn(double now_s) const;

  std::vector<Question> questions_;
  std::vector<int> cheapest_first_;
  std::vector<State> states_;
  StopGoal goal_;
  double deadline_s_;
  double overhead_s_ = 0.01;  ///< of a block, beside its steps
  std::map<int, std::string> left_out_;
};

}  // namespace forerun
