// What the options ask to measure, model by model, defaults filled in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "measure/data/dataset.h"
#include "measure/job.h"
#include "measure/options.h"
#include "measure/recording.h"
#include "measure/trainer.h"
#include "measure/zoo/zoo.h"

namespace forerun {

/// A model and the batches to measure it at.
struct WorkloadRequest {
  Workload workload;
  /// Of a micro-step; empty: local_batches holds for every world size.
  std::vector<int> global_batches;
  std::vector<int> local_batches;
  Recordings recordings;  ///< to rehearse with; empty: computes for real
};

/// What the options ask for, defaults filled in. Throws UsageError for an unknown model, or a batch
/// that cannot be split over `world_sizes`.
std::vector<WorkloadRequest> requests(const MeasureOptions& options,
                                      const std::vector<int>& world_sizes);

/// The input that recorded steps of a model had, unless the options name one.
std::string recorded_input(const MeasureOptions& options, const std::string& model);
/// What to rehearse a workload with; none if it computes for real. See read_recordings().
Recordings recordings_for(const MeasureOptions& options, const Workload& workload,
                          const std::vector<int>& local_batches);
/// Makes a trainer of a network with so many `parameters` wait in place of computing, if that is
/// what the options say.
void rehearse(TrainerOptions& trainer, const MeasureOptions& options, const Recordings& recordings,
              double parameters);

/// Made-up data that suit a workload; the same on every rank.
std::shared_ptr<Dataset> synthetic_data(const Workload& workload);

/// How the options train with `strategy` on `world_size` devices.
TrainerOptions trainer_options(const MeasureOptions& options, const Job& job,
                               const std::string& strategy, int world_size);

}  // namespace forerun
