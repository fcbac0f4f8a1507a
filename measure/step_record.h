// What all ranks saw of a configuration, block after block, and how it gets into the profile.
#pragma once

#include <optional>
#include <vector>

#include "measure/strategy/strategy.h"
#include "model/io/profile.h"

namespace forerun {

/// What all ranks saw in one configuration, step by step: rank 0 keeps it.
struct StepRecord {
  /// Their timelines are empty: `traces` has them, until to_measured().
  std::vector<RankSteps> ranks;
  std::vector<std::vector<std::vector<BucketTrace>>> traces;  ///< of each rank, per step
  std::vector<double> overhead_relative;                      ///< of rank 0, per step
  std::vector<double> loss;  ///< mean over ranks, of every step: also of those whose time does not
                             ///< count
  std::vector<GpuConditions> gpus;          ///< of each rank that has one
  std::optional<double> peak_memory_bytes;  ///< of the fullest rank
  double optimizer_state_bytes = 0;         ///< of the rank that holds most
  double quiet_s = 0;                       ///< that the quiet steps took
  bool out_of_memory = false;               ///< on any rank

  size_t steps() const { return ranks.empty() ? 0 : ranks.front().step_time_s.size(); }
  /// Appends a block of the same ranks.
  void append(const StepRecord& block);
  /// Slowest rank, per step.
  std::vector<double> step_times() const;
};

/// Turns what was recorded, without its first `warmup` steps, into the profile's form; `earlier`
/// samples of the same configuration come first.
MeasuredConfiguration to_measured(const Configuration& at, const StepRecord& record, int warmup,
                                  const MeasuredConfiguration* earlier);

}  // namespace forerun
