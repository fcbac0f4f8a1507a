// How the ranks of a training share the work. One file per strategy; a new one is a file and a line
// in strategies().
#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "measure/buckets.h"
#include "measure/collective.h"
#include "measure/device.h"
#include "measure/loss_scale.h"
#include "measure/optimizer.h"
#include "measure/precision.h"
#include "measure/zoo/network.h"

namespace forerun {

/// One collective of the last step, on this rank; times count from the start of backward (of the
/// last micro-step).
struct BucketTrace {
  double size_bytes = 0;
  double ready_s = 0;  ///< its input was there: the last gradient of a bucket
  double start_s = 0;  ///< it ran from here ...
  double end_s = 0;    ///< ... to here; both 0 where none ran
  Collective collective = Collective::kAllreduce;
  int bucket = 0;  ///< of gradients; -1: of none (weights that travel)
};

/// Communication that training stood still for, beside what finish_backward() waited: the trainer
/// takes it out of the part of the step in which it happened.
struct Blocked {
  double forward_s = 0, backward_s = 0, update_s = 0;
};

struct StrategyOptions {
  BucketLimits buckets;
  Optimizer optimizer;
  /// Where the parameters are.
  Device* device = &cpu_device();
  /// What the loss was multiplied with; nullptr: with nothing.
  LossScale* loss_scale = nullptr;
  /// For strategies that drive several devices from one process: the CPUs of each.
  std::vector<std::vector<int>> devices;
  /// Makes another network like the one in training.
  std::function<std::shared_ptr<NeuralNetwork>()> replica;
  /// attach() makes rank 0's weights everyone's. Rehearsals learn nothing: theirs need not travel.
  bool share_weights = true;
};

/// Owns the gradients and the optimizer's state of a network's parameters. The order of calls in a
/// step: forward(), start_backward(), the backward pass, finish_backward(), update(). With gradient
/// accumulation start_backward() comes before the last backward pass only; the ones before it add
/// up in the parameters' gradients.
class Strategy {
 public:
  virtual ~Strategy() = default;

  /// Trains in `group` from now on: collective over it, and its rank 0's weights and optimizer
  /// state are everyone's afterwards. `group` must outlive the training.
  virtual void attach(Communicator& group) = 0;
  /// After attach(), with the network shared: takes what memory the collectives of a step need in
  /// their library. False on all ranks alike where one has not enough. Collective.
  virtual bool prepare() { return true; }
  /// The network's outputs for this rank's `inputs`.
  virtual torch::Tensor forward(NeuralNetwork& network, const torch::Tensor& inputs,
                                const Precision& precision) {
    return forward_in(precision, network, inputs);
  }
  /// Whether communication of the coming steps waits for the end of backward: then neither
  /// disturbs the other. A strategy that does not overlap them does so anyway.
  virtual void set_quiet(bool /*quiet*/) {}
  /// Backward begins at `now`.
  virtual void start_backward(const Mark& now) = 0;
  /// What is given to the device from now on finds the averaged gradients. Also called after a
  /// backward pass that failed: the collectives of the step are then completed with what there is,
  /// so that no peer hangs.
  virtual void finish_backward() = 0;
  /// `step` counts the network's updates from 1.
  virtual void update(int64_t step) = 0;

  /// Of the last step, as everything about times after Device::settle().
  virtual Blocked blocked() const { return {}; }
  /// The collectives of the last step in the order of launch, and on one rank the buckets that
  /// would have travelled; empty where there are none.
  virtual std::vector<BucketTrace> buckets() const = 0;

  /// Brings the whole optimizer state to every rank that lacks a part of it, until the next
  /// update(). Collective.
  virtual void gather_states() {}
  /// The optimizer's state [state_copies x numel] of each parameter, sharing memory with it; after
  /// gather_states() or before attach().
  virtual std::vector<torch::Tensor> states() = 0;
  /// Optimizer state that this rank holds.
  virtual double state_bytes() const = 0;
  /// What it keeps between two steps: gradients, states.
  virtual std::vector<torch::Tensor> held() const { return {}; }
};

/// Which processes a strategy trains with, of a world of n devices.
enum class Processes {
  kOne,              ///< a world of one only
  kOnePerDevice,     ///< n ranks
  kOneForAllDevices  ///< one rank drives n devices of its node
};

struct StrategyEntry {
  std::string name, about;
  Processes processes = Processes::kOnePerDevice;
  std::function<std::unique_ptr<Strategy>(std::vector<torch::Tensor> parameters,
                                          const StrategyOptions& options)>
      make;

  /// Ranks that take part in a world of `world_size` devices.
  int ranks(int world_size) const { return processes == Processes::kOnePerDevice ? world_size : 1; }
};

const std::vector<StrategyEntry>& strategies();
/// Throws UsageError with near names.
const StrategyEntry& find_strategy(const std::string& name);
/// `serial, ddp, ...`
std::string strategy_names();

// What the files of this folder provide.
using Parameters = std::vector<torch::Tensor>;
std::unique_ptr<Strategy> make_serial(Parameters parameters, const StrategyOptions& options);
std::unique_ptr<Strategy> make_ddp(Parameters parameters, const StrategyOptions& options);
std::unique_ptr<Strategy> make_hierarchical(Parameters parameters, const StrategyOptions& options);
std::unique_ptr<Strategy> make_zero1(Parameters parameters, const StrategyOptions& options);
std::unique_ptr<Strategy> make_dataparallel(Parameters parameters, const StrategyOptions& options);

/// What of a network is trained; tensors that layers share once.
Parameters trainable_parameters(const NeuralNetwork& network);

/// The memory of a float32 tensor without gaps, on its device.
std::span<float> floats_of(const torch::Tensor& tensor);

/// The part of `flat` from `offset` on as a tensor that lies in memory as `like` does.
torch::Tensor part_like(const torch::Tensor& like, const torch::Tensor& flat, int64_t offset);

/// Rank 0's values become everyone's. Collective.
void share(Communicator& group, const torch::Tensor& tensor);

}  // namespace forerun
