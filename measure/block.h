// Runs blocks of steps and carries what every rank saw to rank 0.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "measure/job.h"
#include "measure/trainer.h"
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

struct BlockSpec {
  int64_t first_step = 0;
  int discard = 0, steps = 1;
  int quiet = 0;              ///< further steps at the end, see RankSteps::quiet_backward_s
  bool watch_memory = false;  ///< of the last step but those
};

/// Steps of `trainer` in its group, on samples of the global batch that `sampler` draws. Collective
/// over the group; rank 0 returns what all saw, others an empty record.
StepRecord run_block(Job& job, Trainer& trainer, const Dataset& data, const Sampler& sampler,
                     const BlockSpec& spec);

}  // namespace forerun
