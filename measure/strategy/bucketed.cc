#include "measure/strategy/bucketed.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/torch.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace forerun {
namespace {

size_t padded(size_t count, size_t alignment) {
  return (count + alignment - 1) / alignment * alignment;
}

/// Runs after a parameter's gradient is final.
class ReadyHook : public torch::autograd::FunctionPostHook {
 public:
  ReadyHook(BucketedStrategy& owner, int parameter) : owner_(owner), parameter_(parameter) {}
  torch::autograd::variable_list operator()(
      const torch::autograd::variable_list& outputs,
      const torch::autograd::variable_list& /*inputs*/) override {
    owner_.gradient_ready(parameter_);
    return outputs;
  }

 private:
  BucketedStrategy& owner_;
  int parameter_;
};

}  // namespace

BucketedStrategy::BucketedStrategy(Parameters parameters, const StrategyOptions& options)
    : parameters_(std::move(parameters)),
      limits_(options.buckets),
      device_(*options.device),
      loss_scale_(options.loss_scale),
      share_weights_(options.share_weights),
      optimizer_(options.optimizer) {
  for (const torch::Tensor& p : parameters_) sizes_.push_back(p.numel() * sizeof(float));
  order_.resize(parameters_.size());
  std::iota(order_.rbegin(), order_.rend(), 0);
  // Not through own_state(): nothing is shared out before attach().
  lay_out(kAlignment);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    // Its type differs between LibTorch versions; autograd holds it weakly, so we must keep it.
    auto accumulator = torch::autograd::impl::grad_accumulator(parameters_[i]);
    hooks_.push_back(
        accumulator->add_post_hook(std::make_unique<ReadyHook>(*this, static_cast<int>(i))));
    accumulators_.push_back(std::move(accumulator));
  }
}

BucketedStrategy::~BucketedStrategy() {
  for (size_t i = 0; i < hooks_.size(); ++i) accumulators_[i]->del_post_hook(hooks_[i]);
  const bool under_way = std::ranges::any_of(buckets_, [](const Bucket& bucket) {
    return !std::ranges::all_of(bucket.sent, &Sent::awaited);
  });
  // After an error collectives may go on, and peers may never come: what they write to is not
  // freed.
  if (under_way) static_cast<void>(new std::vector<Bucket>(std::move(buckets_)));
}

void BucketedStrategy::attach(Communicator& group) {
  group_ = &group;
  scale_ = 1.0f / static_cast<float>(group.size());
  if (group.size() == 1) return;
  if (share_order()) lay_out(alignment_);
  if (!share_weights_) return;
  for (const Bucket& bucket : buckets_) {
    share(group, bucket.weights);
    share(group, bucket.state);
  }
}

bool BucketedStrategy::prepare() {
  std::vector<int64_t> lengths;
  for (const Bucket& bucket : buckets_) lengths.push_back(bucket.gradients.numel());
  const auto known = prepared_.find(group_);
  if (group_->size() == 1 || (known != prepared_.end() && known->second == lengths)) return true;
  device_.empty_cache();  // what other batches left is the library's, too
  const bool fits = prepare_groups();
  for (Bucket& bucket : buckets_) bucket.sent.clear();
  if (fits) prepared_[group_] = std::move(lengths);
  return fits;
}

bool BucketedStrategy::prepare_groups() {
  return group_->prepare([this] {
    for (Bucket& bucket : buckets_) communicate(bucket);
    await_all();
  });
}

void BucketedStrategy::await(Sent& sent) {
  sent.pending->wait();
  sent.awaited = true;
}

void BucketedStrategy::await_all() {
  for (Bucket& bucket : buckets_) {
    for (Sent& sent : bucket.sent) await(sent);
  }
  device_.settle();
}

void BucketedStrategy::start_backward(const Mark& now) {
  backward_start_ = now;
  for (Slot& slot : slots_) slot.ready = false;
  for (Bucket& bucket : buckets_) {
    bucket.pending = bucket.parameters.size();
    bucket.ready = now;
    bucket.sent.clear();
  }
  launched_ = 0;
  seen_.clear();
  in_backward_ = true;
}

void BucketedStrategy::gradient_ready(int parameter) {
  if (!in_backward_ || slots_[parameter].ready) return;
  take_gradient(parameter);
  if (!order_learnt_) seen_.push_back(parameter);
  mark_ready(slots_[parameter]);
}

void BucketedStrategy::finish_backward() {
  in_backward_ = false;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].ready) continue;
    slots_[i].gradient.zero_();
    if (!order_learnt_) seen_.push_back(static_cast<int>(i));
    mark_ready(slots_[i]);
  }
  launch_full_buckets();
  for (Bucket& bucket : buckets_) {
    for (Sent& sent : bucket.sent) await(sent);
  }
}

void BucketedStrategy::update(int64_t step) {
  update_buckets(step);
  if (!order_learnt_ && group_ != nullptr) learn_order();
}

void BucketedStrategy::update_buckets(int64_t step) {
  std::vector<UpdatePiece> pieces;
  for (const Bucket& bucket : buckets_) {
    pieces.push_back({bucket.weights, bucket.gradients, bucket.state});
  }
  if (loss_scale_ != nullptr) loss_scale_->unscale(pieces);
  device_.update(optimizer_, pieces, step, loss_scale_);
}

void BucketedStrategy::send(Bucket& bucket, Communicator& group, Collective collective,
                            std::span<float> buffer, Reduction reduction) {
  Mark ready = device_.mark();
  bucket.sent.push_back({.collective = collective,
                         .size_bytes = static_cast<double>(buffer.size_bytes()),
                         .ready = std::move(ready),
                         .pending = group.start(collective, buffer, 0, reduction)});
}

std::vector<BucketTrace> BucketedStrategy::buckets() const {
  std::vector<BucketTrace> traces;
  const double start_s = device_.seconds(backward_start_);
  for (size_t b = 0; b < buckets_.size(); ++b) {
    const Bucket& bucket = buckets_[b];
    BucketTrace trace;
    trace.size_bytes = static_cast<double>(bucket.gradients.nbytes());
    trace.ready_s = device_.seconds(bucket.ready) - start_s;
    trace.bucket = static_cast<int>(b);
    if (bucket.sent.empty()) traces.push_back(trace);
    for (const Sent& sent : bucket.sent) {
      trace.collective = sent.collective;
      trace.size_bytes = sent.size_bytes;
      if (sent.collective == Collective::kAllGather) {
        trace.bucket = -1;
        trace.ready_s = device_.seconds(sent.ready) - start_s;
      }
      trace.start_s = sent.pending->started_s() - start_s;
      trace.end_s = sent.pending->ended_s() - start_s;
      traces.push_back(trace);
    }
  }
  return traces;
}

std::vector<torch::Tensor> BucketedStrategy::states() {
  std::vector<torch::Tensor> states;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const torch::Tensor whole = whole_state(buckets_[slots_[i].bucket]);
    states.push_back(whole.narrow(1, slots_[i].offset, parameters_[i].numel()));
  }
  return states;
}

double BucketedStrategy::state_bytes() const {
  double bytes = 0;
  for (const Bucket& bucket : buckets_) bytes += static_cast<double>(bucket.state.nbytes());
  return bytes;
}

std::vector<torch::Tensor> BucketedStrategy::held() const {
  std::vector<torch::Tensor> held;
  for (const Bucket& bucket : buckets_) {
    held.insert(held.end(), {bucket.weights, bucket.gradients, bucket.state});
  }
  return held;
}

/// Rank 0's order of parameters, and whether it was learnt, become everyone's. True if this rank's
/// changed.
bool BucketedStrategy::share_order() {
  order_.push_back(order_learnt_ ? 1 : 0);
  const std::vector<int> mine = order_;
  group_->broadcast(std::as_writable_bytes(std::span(order_)), 0);
  order_learnt_ = order_.back() == 1;
  const bool changed = order_ != mine;
  order_.pop_back();
  return changed;
}

void BucketedStrategy::learn_order() {
  std::swap(order_, seen_);
  order_learnt_ = true;
  if (group_->size() > 1) share_order();
  lay_out(alignment_);
}

void BucketedStrategy::lay_out(size_t alignment) {
  const torch::NoGradGuard no_grad;
  alignment_ = alignment;
  const bool first = slots_.empty();
  const std::vector<Slot> old_slots = slots_;
  std::vector<torch::Tensor> old_states;
  for (Bucket& bucket : buckets_) old_states.push_back(whole_state(bucket));
  std::vector<Bucket> buckets;
  slots_.assign(parameters_.size(), {});
  for (auto& members : assign_buckets(sizes_, order_, limits_)) {
    size_t length = 0;
    for (const int i : members) {
      slots_[i] = {static_cast<int>(buckets.size()), static_cast<int64_t>(length), {}, true};
      length += padded(static_cast<size_t>(parameters_[i].numel()), kAlignment);
    }
    const auto floats = static_cast<int64_t>(padded(length, alignment));
    Bucket bucket;
    bucket.parameters = std::move(members);
    bucket.weights = torch::zeros({floats}, device_.where());
    bucket.gradients = torch::zeros({floats}, device_.where());
    bucket.state = torch::zeros({optimizer_.state_copies(), floats}, device_.where());
    buckets.push_back(std::move(bucket));
  }
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Bucket& bucket = buckets[slots_[i].bucket];
    const torch::Tensor home = part_like(parameters_[i], bucket.weights, slots_[i].offset);
    home.copy_(parameters_[i]);
    parameters_[i].set_data(home);
    slots_[i].gradient = part_like(home, bucket.gradients, slots_[i].offset);
    if (first) continue;
    const int64_t count = parameters_[i].numel();
    bucket.state.narrow(1, slots_[i].offset, count)
        .copy_(old_states[old_slots[i].bucket].narrow(1, old_slots[i].offset, count));
  }
  buckets_ = std::move(buckets);
  if (first) return;
  for (Bucket& bucket : buckets_) bucket.state = own_state(bucket.state);
}

/// bucket <- gradient / world_size; the gradient's own memory is released.
void BucketedStrategy::take_gradient(int parameter) {
  torch::Tensor& gradient = parameters_[parameter].mutable_grad();
  const torch::Tensor& home = slots_[parameter].gradient;
  if (gradient.defined()) {
    device_.copy_scaled(home, gradient, reduction() == Reduction::kMean ? 1 : scale_);
    gradient = torch::Tensor();
  } else {
    home.zero_();
  }
}

void BucketedStrategy::mark_ready(Slot& slot) {
  slot.ready = true;
  Bucket& bucket = buckets_[slot.bucket];
  if (--bucket.pending > 0) return;
  device_.flush();
  bucket.ready = device_.mark();
  if (!quiet_) launch_full_buckets();
}

void BucketedStrategy::launch_full_buckets() {
  for (; launched_ < buckets_.size() && buckets_[launched_].pending == 0; ++launched_) {
    if (group_->size() > 1) communicate(buckets_[launched_]);
  }
}

}  // namespace forerun
