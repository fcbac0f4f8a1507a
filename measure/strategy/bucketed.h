// What ddp, hierarchical and zero1 have in common: gradients travel in buckets while backward runs.
//
// Weights, gradients and optimizer state of a bucket each lie in one flat tensor. A hook on each
// parameter's gradient accumulator scales the new gradient by 1/world_size into its bucket (one
// pass: the same traffic as PyTorch's default, and the gradient's own memory is free at once; a GPU
// copies all gradients of a bucket by one call, and its library averages). A bucket that is full is
// communicated while backward goes on; buckets start strictly in order, on every rank alike. The
// first step fills them in reverse order of registration; the order in which gradients then really
// came, on rank 0, is everyone's from the second step on.
#pragma once

#include <torch/csrc/autograd/variable.h>

#include <map>

#include "measure/strategy/strategy.h"

namespace forerun {

class BucketedStrategy : public Strategy {
 public:
  BucketedStrategy(Parameters parameters, const StrategyOptions& options);
  BucketedStrategy(const BucketedStrategy&) = delete;
  BucketedStrategy& operator=(const BucketedStrategy&) = delete;
  ~BucketedStrategy() override;

  void attach(Communicator& group) override;
  bool prepare() override;
  void set_quiet(bool quiet) override { quiet_ = quiet; }
  void start_backward(const Mark& now) override;
  /// Called by the hooks, in the thread that runs backward.
  void gradient_ready(int parameter);
  void finish_backward() override;
  void update(int64_t step) override;
  std::vector<BucketTrace> buckets() const override;
  std::vector<torch::Tensor> states() override;
  double state_bytes() const override;
  std::vector<torch::Tensor> held() const override;

 protected:
  /// A collective that was started for a bucket.
  struct Sent {
    Collective collective;
    double size_bytes = 0;
    Mark ready;
    std::unique_ptr<PendingCollective> pending;
    bool awaited = false;  ///< then nobody writes to its buffer any more
  };
  struct Bucket {
    std::vector<int> parameters;
    torch::Tensor weights, gradients;  // flat, of equal length
    torch::Tensor state;               // [state_copies x length], or a part of it
    size_t pending = 0;
    Mark ready;
    std::vector<Sent> sent;  // in order
  };

  /// Whether one reduction over the whole group does it.
  virtual bool reduces_once() const { return true; }
  /// kSum: gradients were scaled on their way into the bucket.
  Reduction reduction() const {
    return reduces_once() && group_->averages() ? Reduction::kMean : Reduction::kSum;
  }
  /// Starts what makes the gradients of a full bucket means over the group; more than one rank.
  virtual void communicate(Bucket& bucket) = 0;
  virtual void update_buckets(int64_t step);
  /// Collectives of a step, of zeros and of weights that all ranks share, by
  /// Communicator::prepare() of the groups that they run in.
  virtual bool prepare_groups();
  /// Of `sent`, in the work of prepare(): on the thread that runs it.
  void await_all();
  static void await(Sent& sent);
  /// The whole state of a bucket, [state_copies x length]. May be collective.
  virtual torch::Tensor whole_state(Bucket& bucket) { return bucket.state; }
  /// What this rank keeps of a whole state.
  virtual torch::Tensor own_state(const torch::Tensor& whole) { return whole; }

  void send(Bucket& bucket, Communicator& group, Collective collective, std::span<float> buffer,
            Reduction reduction = Reduction::kSum);
  Communicator& group() { return *group_; }
  Device& device() const { return device_; }
  LossScale* loss_scale() const { return loss_scale_; }
  const Optimizer& optimizer() const { return optimizer_; }
  std::vector<Bucket>& all_buckets() { return buckets_; }
  /// Moves weights and state into buckets by order_, each padded to a multiple of `alignment`
  /// floats.
  void lay_out(size_t alignment);
  static constexpr size_t kAlignment = 16;  // floats: parameters start on cache lines

 private:
  /// Where a parameter lies: its bucket and first float.
  struct Slot {
    int bucket = 0;
    int64_t offset = 0;
    torch::Tensor gradient;  // there, as the parameter lies in memory
    bool ready = false;
  };
  using Accumulator =
      decltype(torch::autograd::impl::grad_accumulator(std::declval<torch::Tensor&>()));

  bool share_order();
  void learn_order();
  void take_gradient(int parameter);
  void mark_ready(Slot& slot);
  void launch_full_buckets();

  Parameters parameters_;
  std::vector<size_t> sizes_;  // bytes
  BucketLimits limits_;
  Device& device_;
  LossScale* loss_scale_;
  bool share_weights_;
  Optimizer optimizer_;
  std::vector<Accumulator> accumulators_;
  std::vector<uintptr_t> hooks_;

  std::vector<int> order_;  // of parameters in the buckets
  bool order_learnt_ = false;
  std::vector<int> seen_;  // the order in the first step
  size_t alignment_ = kAlignment;
  std::vector<Bucket> buckets_;
  std::vector<Slot> slots_;
  size_t launched_ = 0;

  Communicator* group_ = nullptr;
  std::map<Communicator*, std::vector<int64_t>> prepared_;  // for buckets of these lengths
  float scale_ = 1;
  Mark backward_start_;
  bool in_backward_ = false;
  bool quiet_ = false;
};

}  // namespace forerun
