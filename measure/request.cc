#include "measure/request.h"

#include <algorithm>

#include "measure/plan.h"
#include "measure/stop_rule.h"
#include "model/error.h"
#include "model/io/profile.h"

namespace forerun {
namespace {

std::vector<std::string> recorded_models(const MeasureOptions& options) {
  std::vector<std::string> models;
  for (const WorkloadProfile& workload : load_profile(options.rehearsal.profile).workloads) {
    models.push_back(workload.name);
  }
  if (models.empty()) throw Refusal(options.rehearsal.profile + ": holds no steps to rehearse");
  return models;
}

/// Local batches that the request needs to have been recorded: those that were asked for.
void add_recordings(WorkloadRequest& request, const MeasureOptions& options,
                    const std::vector<int>& world_sizes) {
  const bool asked = !options.batches.empty() || !options.local_batches.empty();
  std::vector<int> needed = request.local_batches;
  for (const int batch : asked ? request.global_batches : std::vector<int>()) {
    for (const int n : world_sizes) {
      if (batch % n == 0) needed.push_back(batch / n);
    }
  }
  request.recordings = recordings_for(options, request.workload, needed);
  if (asked) return;
  request.global_batches.clear();
  for (const auto& [batch, recording] : request.recordings) request.local_batches.push_back(batch);
}

}  // namespace

std::shared_ptr<Dataset> synthetic_data(const Workload& workload) {
  SyntheticData description;
  description.shape = workload.input;
  description.classes = workload.classes;
  description.vocabulary = workload.vocabulary;
  description.per_token = workload.per_token;
  return make_synthetic(description);
}

TrainerOptions trainer_options(const MeasureOptions& options, const Job& job,
                               const std::string& strategy, int world_size) {
  TrainerOptions trainer;
  if (job.device != nullptr) trainer.device = job.device;
  trainer.strategy = strategy;
  trainer.optimizer = Optimizer::named(options.optimizer, options.learning_rate);
  trainer.precision = find_precision(options.precision);
  trainer.accumulation = options.accumulation;
  trainer.buckets = options.buckets;
  if (find_strategy(strategy).processes == Processes::kOneForAllDevices) {
    trainer.devices = {job.cpus.begin(), job.cpus.begin() + world_size};
  }
  return trainer;
}

void rehearse(TrainerOptions& trainer, const MeasureOptions& options, const Recordings& recordings,
              double parameters) {
  trainer.recordings = recordings;
  if (!options.rehearsal.optimizer) return;
  std::vector<double> times;
  for (const auto& [batch, recording] : recordings) times.push_back(recording.optimizer_s);
  trainer.optimizer.recorded_s_per_weight = median_interval(times).median / parameters;
}

Recordings recordings_for(const MeasureOptions& options, const Workload& workload,
                          const std::vector<int>& local_batches) {
  if (!options.rehearsal.active()) return {};
  const Profile recorded = load_profile(options.rehearsal.profile);
  return read_recordings(options.rehearsal.profile, recorded, workload.name, workload.input.text(),
                         local_batches, options.rehearsal);
}

std::string recorded_input(const MeasureOptions& options, const std::string& model) {
  if (!options.rehearsal.active() || !options.input.empty()) return options.input;
  const Profile recorded = load_profile(options.rehearsal.profile);
  const WorkloadProfile* workload = recorded.find(model);
  return workload == nullptr ? options.input : workload->input;
}

std::vector<WorkloadRequest> requests(const MeasureOptions& options,
                                      const std::vector<int>& world_sizes) {
  std::vector<WorkloadRequest> requests;
  require_divisible(options.batches, world_sizes, options.accumulation);
  const auto add = [&](const std::string& model, const std::string& input, int default_batch) {
    WorkloadRequest request{find_workload(model, input), options.batches, options.local_batches};
    for (int& batch : request.global_batches) batch /= options.accumulation;
    default_batch = std::max(1, default_batch / options.accumulation);
    if (request.global_batches.empty() && request.local_batches.empty()) {
      // The default is ours: what does not divide is rounded here, never what a user asked.
      request.global_batches = {default_batch};
      const bool divides = std::ranges::all_of(
          world_sizes, [&](int n) { return default_batch >= n && default_batch % n == 0; });
      if (!divides) {
        int batch = 1;
        for (const int n : world_sizes) batch = std::max(batch, n);
        request.global_batches.clear();
        for (const int n : world_sizes) {
          request.global_batches.push_back(std::max(default_batch / n, 1) * n);
        }
        std::ranges::sort(request.global_batches);
        const auto repeats = std::ranges::unique(request.global_batches);
        request.global_batches.erase(repeats.begin(), repeats.end());
      }
    }
    if (options.rehearsal.active()) add_recordings(request, options, world_sizes);
    requests.push_back(std::move(request));
  };
  const bool recorded = options.rehearsal.active();
  for (const std::string& model :
       options.models.empty() && recorded ? recorded_models(options) : options.models) {
    add(model, recorded_input(options, model), kDefaultBatch);
  }
  if (options.models.empty() && !recorded) {
    for (const DefaultWorkload& d : default_workloads()) {
      add(d.model, options.input.empty() ? d.input : options.input, d.batch);
    }
  }
  return requests;
}

}  // namespace forerun
