// `measure train`: a training for real, into runs/*.json.
#pragma once

#include "measure/job.h"
#include "measure/options.h"

namespace forerun {

/// Throws UsageError or Error for what cannot be trained: model, batch, data folder.
void check_training(const MeasureOptions& options, const TrainOptions& train,
                    const std::vector<int>& world_sizes);

/// Trains every combination of batch and world size, taking turns. Collective over the job.
void run_training(Job& job, const MeasureOptions& options, const TrainOptions& train,
                  const std::vector<int>& world_sizes);

}  // namespace forerun
