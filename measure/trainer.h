// One network in training on one rank: steps, timed part by part.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "measure/collective.h"
#include "measure/data/dataset.h"
#include "measure/device.h"
#include "measure/optimizer.h"
#include "measure/rehearsal.h"
#include "measure/strategy/strategy.h"
#include "measure/zoo/zoo.h"

namespace forerun {

/// One step on one rank. The parts add up to step_time_s; with accumulation each is the sum over
/// the micro-steps.
struct StepSample {
  double load_s = 0, forward_s = 0;
  double backward_s = 0;      ///< until backward() returned
  double exposed_comm_s = 0;  ///< waiting for communication, wherever in the step
  double optimizer_s = 0, step_time_s = 0;
  double overhead_s = 0;  ///< measuring itself; not part of the step
  double taken_s = 0;     ///< of the step, while other programs had our processor
  float loss = 0;         ///< mean over this rank's samples
  std::vector<BucketTrace> buckets;
};

struct TrainerOptions {
  uint64_t seed = 0;
  Device* device = &cpu_device();
  std::string strategy = "ddp";
  Optimizer optimizer;
  BucketLimits buckets;
  int accumulation = 1;  ///< micro-steps that a step's samples are cut into
  Precision precision;
  std::vector<std::vector<int>> devices;  ///< see StrategyOptions
  Recordings recordings;  ///< steps to wait for in place of computing; empty: compute
};

/// However often a step fails for memory, the training goes on: gradients that a rank could not
/// compute count as zero, on all ranks alike.
class Trainer {
 public:
  Trainer(const Workload& workload, const TrainerOptions& options);

  /// Trains in `group`, which must outlive the trainer, with rank 0's weights. Throws OutOfMemory
  /// on all ranks where the group lacks memory on one. Collective.
  void attach(Communicator& group);
  Communicator* group() const { return group_; }

  /// One step on this rank's share of a global batch; `next` is the share of the step after it, if
  /// known. Throws OutOfMemory; Error if the loss is not finite.
  StepSample step(const Dataset& data, const std::vector<int64_t>& indices,
                  const std::vector<int64_t>& next = {});
  /// See Strategy::set_quiet().
  void set_quiet(bool quiet) { strategy_->set_quiet(quiet); }

  Device& device() const { return device_; }

  /// Share of correct predictions on `data`, split over the ranks of the group. Collective.
  double evaluate(const Dataset& data);

  /// Weights, gradients and optimizer state on this rank.
  double state_bytes() const;
  /// All that it keeps between two steps, as LibTorch's allocator for GPUs counts.
  double held_bytes() const;
  double optimizer_state_bytes() const { return strategy_->state_bytes(); }
  /// Weights in the order of registration, sharing memory with the network's.
  const std::vector<torch::Tensor>& parameters() const { return parameters_; }

  /// Before save(), on all ranks of the group: brings what ranks share out to where it is saved.
  void prepare_save() { strategy_->gather_states(); }
  /// Everything that training changes, to and from a file. `note` is the caller's. Throws Error.
  void save(const std::string& path, const std::string& note);
  /// Returns the note. The file must come from the same network; before attach().
  std::string load(const std::string& path);

 private:
  struct Progress;
  Batch load(const Dataset& data, const std::vector<int64_t>& indices);
  std::vector<std::vector<int64_t>> micro_steps(const std::vector<int64_t>& indices) const;
  void run_step(const Dataset& data, const std::vector<int64_t>& indices, Progress& progress);
  void micro_step(const Dataset& data, const std::vector<int64_t>& indices, double share, bool last,
                  Progress& progress);
  void complete_failed_step(const Progress& progress);
  StepSample sample_of(const Progress& progress) const;

  std::string name_;
  std::shared_ptr<NeuralNetwork> network_;
  std::vector<torch::Tensor> parameters_;
  TrainerOptions options_;
  Device& device_;
  std::unique_ptr<LossScale> loss_scale_;
  std::unique_ptr<Strategy> strategy_;
  std::unique_ptr<Rehearsal> rehearsal_;
  Communicator* group_ = nullptr;
  int64_t steps_ = 0;  // the same on all ranks of the group
};

/// Sets what all ranks have in common: threads, denormals, the allocator. Once per process, before
/// any tensor. Returns what was chosen, for the machine description.
std::string set_up_compute(int threads);

/// Of LibTorch: `1.13.1`.
std::string torch_version();

}  // namespace forerun
