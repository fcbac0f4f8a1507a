// One process drives several devices, as torch.nn.DataParallel does it: in every step the weights
// are broadcast from device 0, the inputs scattered, the outputs gathered on device 0, which
// computes the loss, and the gradients reduced to device 0, which updates the weights. Nothing
// overlaps. On CPUs a thread pinned to its cores is a device; copies that would cross a bus are
// made, each by the device that wants them. Source: torch/nn/parallel/data_parallel.py.
//
// Batch statistics are device 0's, as there: the other replicas' buffers are thrown away.

#include <torch/torch.h>

#include <algorithm>

#include "measure/clock.h"
#include "measure/strategy/device_threads.h"
#include "measure/strategy/strategy.h"
#include "model/error.h"

namespace forerun {
namespace {

using DeviceList = std::vector<std::vector<int>>;

/// A network on a device, and what it holds of the step.
struct Replica {
  std::shared_ptr<NeuralNetwork> network;  ///< device 0: nullptr, the caller's is used
  Parameters parameters;
  std::vector<torch::Tensor> buffers;
  torch::Tensor inputs, outputs;
};

class DataParallel : public Strategy {
 public:
  DataParallel(Parameters parameters, const StrategyOptions& options)
      : threads_(options.devices.empty() ? DeviceList(1) : options.devices),
        replicas_(threads_.size()),
        update_(make_serial(parameters, options)) {
    if (!options.device->where().is_cpu()) {
      throw UsageError(
          "strategy dataparallel drives several CPUs from one process, not several "
          "GPUs; take ddp with one rank per GPU, or --device cpu");
    }
    replicas_[0].parameters = std::move(parameters);
    for (Replica& replica : replicas_) {
      weight_bytes_ = 0;
      if (&replica != &replicas_[0]) {
        replica.network = options.replica();
        replica.network->train();
        replica.parameters = trainable_parameters(*replica.network);
        replica.buffers = replica.network->buffers();
      }
      for (const torch::Tensor& p : replica.parameters) {
        weight_bytes_ += static_cast<double>(p.nbytes());
      }
    }
  }

  void attach(Communicator& group) override {
    if (group.size() != 1) {
      throw UsageError("strategy dataparallel drives all devices from one process (it was given " +
                       std::to_string(group.size()) + ")");
    }
  }

  torch::Tensor forward(NeuralNetwork& network, const torch::Tensor& inputs,
                        const Precision& precision) override {
    if (threads_.size() == 1) return forward_in(precision, network, inputs);
    if (!in_step_) begin_step();
    replicas_[0].buffers = network.buffers();
    if (broadcast_due_) broadcast_weights();
    scatter(inputs);
    threads_.run([&](int d) {
      Replica& replica = replicas_[d];
      NeuralNetwork& here = d == 0 ? network : *replica.network;
      if (replica.inputs.size(0) > 0) {
        replica.outputs = forward_in(precision, here, replica.inputs);
      }
    });
    return gather();
  }

  void start_backward(const Mark& now) override {
    const double now_s = now.host_s;
    for (BucketTrace& trace : traces_) {
      trace.ready_s -= now_s;
      trace.start_s -= now_s;
      trace.end_s -= now_s;
    }
    backward_start_s_ = now_s;
  }

  void finish_backward() override {
    if (threads_.size() > 1) {
      const double start = clock_now();
      reduce_gradients();
      note(Collective::kReduce, weight_bytes_, start - backward_start_s_);
    }
    in_step_ = false;
  }

  void update(int64_t step) override {
    update_->update(step);
    broadcast_due_ = true;
  }

  Blocked blocked() const override { return blocked_; }
  std::vector<BucketTrace> buckets() const override { return traces_; }
  std::vector<torch::Tensor> states() override { return update_->states(); }
  double state_bytes() const override { return update_->state_bytes(); }

 private:
  void begin_step() {
    in_step_ = true;
    blocked_ = {};
    traces_.clear();
    backward_start_s_ = 0;
  }

  /// Ends now; `start_s` counts like the traces that are there.
  void note(Collective collective, double bytes, double start_s) {
    const double end = clock_now() - backward_start_s_;
    traces_.push_back(
        {bytes, start_s, start_s, end, collective, collective == Collective::kReduce ? 0 : -1});
  }

  void broadcast_weights() {
    const torch::NoGradGuard no_grad;
    const double start = clock_now();
    threads_.run([&](int d) {
      if (d == 0) return;
      for (size_t i = 0; i < replicas_[0].parameters.size(); ++i) {
        replicas_[d].parameters[i].copy_(replicas_[0].parameters[i]);
      }
      for (size_t i = 0; i < replicas_[0].buffers.size(); ++i) {
        replicas_[d].buffers[i].copy_(replicas_[0].buffers[i]);
      }
    });
    note(Collective::kBroadcast, weight_bytes_, start);
    blocked_.forward_s += clock_now() - start;
    broadcast_due_ = false;
  }

  void scatter(const torch::Tensor& inputs) {
    const double start = clock_now();
    const std::vector<torch::Tensor> parts = torch::tensor_split(inputs, threads_.size());
    threads_.run([&](int d) {
      replicas_[d].inputs = d == 0 ? parts[0] : parts[d].clone();
      replicas_[d].outputs = torch::Tensor();
    });
    blocked_.forward_s += clock_now() - start;
  }

  /// The outputs on device 0: a leaf of the loss's graph, whose gradient goes back to the devices.
  torch::Tensor gather() {
    const double start = clock_now();
    std::vector<torch::Tensor> outputs;
    for (const Replica& replica : replicas_) {
      if (replica.outputs.defined()) outputs.push_back(replica.outputs.detach());
    }
    torch::Tensor gathered = torch::cat(outputs);
    if (torch::GradMode::is_enabled()) {
      gathered.requires_grad_();
      gathered.register_hook([this](const torch::Tensor& gradient) { backward(gradient); });
    }
    blocked_.forward_s += clock_now() - start;
    return gathered;
  }

  void backward(const torch::Tensor& gradient) {
    const double start = clock_now();
    const std::vector<torch::Tensor> parts = torch::tensor_split(gradient, threads_.size());
    blocked_.backward_s += clock_now() - start;
    threads_.run([&](int d) {
      torch::Tensor& outputs = replicas_[d].outputs;
      if (!outputs.defined()) return;
      outputs.backward(d == 0 ? parts[0] : parts[d].clone());
      outputs = torch::Tensor();
    });
  }

  /// Device 0's gradients become the sums; each device adds up a part of every tensor.
  void reduce_gradients() {
    const torch::NoGradGuard no_grad;
    const auto devices = static_cast<int64_t>(threads_.size());
    threads_.run([&](int d) {
      for (size_t i = 0; i < replicas_[0].parameters.size(); ++i) {
        const torch::Tensor& sum = replicas_[0].parameters[i].grad();
        if (!sum.defined()) continue;
        const int64_t first = sum.numel() * d / devices, last = sum.numel() * (d + 1) / devices;
        const auto part_of = [&](const torch::Tensor& t) {  // in the order of memory
          return t.as_strided({last - first}, {1}, t.storage_offset() + first);
        };
        torch::Tensor part = part_of(sum);
        for (size_t other = 1; other < replicas_.size(); ++other) {
          const torch::Tensor& gradient = replicas_[other].parameters[i].grad();
          if (gradient.defined()) part.add_(part_of(lying_like(sum, gradient)));
        }
      }
    });
    for (size_t d = 1; d < replicas_.size(); ++d) {
      for (torch::Tensor& p : replicas_[d].parameters) p.mutable_grad() = torch::Tensor();
    }
  }

  DeviceThreads threads_;
  std::vector<Replica> replicas_;
  std::unique_ptr<Strategy> update_;  // device 0's
  double weight_bytes_ = 0;

  bool in_step_ = false, broadcast_due_ = true;
  double backward_start_s_ = 0;  // 0: traces hold clock readings
  Blocked blocked_;
  std::vector<BucketTrace> traces_;
};

}  // namespace

std::unique_ptr<Strategy> make_dataparallel(Parameters parameters, const StrategyOptions& options) {
  return std::make_unique<DataParallel>(std::move(parameters), options);
}

}  // namespace forerun
