// Runs blocks of steps and carries what every rank saw to rank 0.
#pragma once

#include "measure/job.h"
#include "measure/step_record.h"
#include "measure/trainer.h"

namespace forerun {

struct BlockSpec {
  int64_t first_step = 0;
  int discard = 0, steps = 1;
  int quiet = 0;              ///< further steps at the end, see RankSteps::quiet_backward_s
  bool watch_memory = false;  ///< of the last step but those
  double others_bytes = 0;    ///< Trainer::held_bytes() of other trainings of this process
};

/// Steps of `trainer` in its group, on samples of the global batch that `sampler` draws. Collective
/// over the group; rank 0 returns what all saw, others an empty record.
StepRecord run_block(Job& job, Trainer& trainer, const Dataset& data, const Sampler& sampler,
                     const BlockSpec& spec);

}  // namespace forerun
