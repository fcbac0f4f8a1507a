// Other programs on our processors: how much time they took from a step, and which steps that
// spoils.
#pragma once

#include "model/io/profile.h"

namespace forerun {

/// A step counts as disturbed where others took more than this share of any rank's time: the goal
/// of the stop rule, so that what is smaller is lost in the noise that is allowed.
inline constexpr double kDisturbedShare = 0.02;
/// Undisturbed steps that make the disturbed ones superfluous.
inline constexpr size_t kLeastUndisturbed = 3;

/// How long this thread was ready to run while its processor ran what is not of this process. From
/// the kernel's run delay, less what our own threads used meanwhile: a lower bound, 0 where the
/// kernel does not keep it. Source: Linux Documentation/scheduler/sched-stats.rst, schedstat.
class TakenTime {
 public:
  TakenTime();
  ~TakenTime();
  TakenTime(const TakenTime&) = delete;
  TakenTime& operator=(const TakenTime&) = delete;

  /// Since construction, or since the last call.
  double lap_s();

 private:
  struct Reading {
    double delay_s = 0, own_s = 0;
  };
  Reading read() const;

  int file_ = -1;
  Reading last_;
};

/// Moves the disturbed steps of all ranks from `ranks` to `disturbed`, where enough others remain;
/// else brings all back to `ranks`.
void set_disturbed_apart(MeasuredConfiguration& measured);

/// How many of the steps in `ranks` are disturbed: 0, or more than can be set apart.
size_t disturbed_steps(const std::vector<RankSteps>& ranks);

}  // namespace forerun
