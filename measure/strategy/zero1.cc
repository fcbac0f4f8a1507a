// Stage 1 of ZeRO: each rank holds the optimizer's state of one part of every bucket. Gradients are
// reduce-scattered while backward runs, each rank updates its part of the weights, and the weights
// are all-gathered, a bucket while the next one is updated. Source: Rajbhandari et al. 2020.
//
// A rank knows its own part of the state only. So where the group changes without gather_states(),
// the state starts from zero: a measurement goes on with that, a checkpoint never meets it.

#include <torch/torch.h>

#include "measure/strategy/bucketed.h"

namespace forerun {
namespace {

class Zero1 : public BucketedStrategy {
 public:
  using BucketedStrategy::BucketedStrategy;

  void attach(Communicator& group) override {
    if (shards_ > 1) {
      for (Bucket& bucket : all_buckets()) {
        bucket.state =
            torch::zeros({optimizer().state_copies(), bucket.weights.numel()}, device().where());
      }
    }
    shards_ = next_shards_ = 1;
    gathered_.clear();
    lay_out(kAlignment);  // the same on all ranks, whatever group they come from
    BucketedStrategy::attach(group);
    rank_ = group.rank();
    next_shards_ = group.size();
    lay_out(kAlignment * next_shards_);
    shards_ = next_shards_;
  }

  void update(int64_t step) override {
    gathered_.clear();
    updated_ = arrived_ = {};
    BucketedStrategy::update(step);
  }

  void gather_states() override {
    gathered_.clear();
    std::vector<torch::Tensor> gathered;
    for (Bucket& bucket : all_buckets()) gathered.push_back(whole_state(bucket));
    gathered_ = std::move(gathered);
  }

  Blocked blocked() const override {
    return {.update_s = device().seconds(arrived_) - device().seconds(updated_)};
  }

 private:
  void communicate(Bucket& bucket) override {
    send(bucket, group(), Collective::kReduceScatter, floats_of(bucket.gradients), reduction());
  }

  bool prepare_groups() override {
    return group().prepare([this] {
      for (Bucket& bucket : all_buckets()) {
        communicate(bucket);
        send(bucket, group(), Collective::kAllGather, floats_of(bucket.weights));
      }
      await_all();
    });
  }

  void update_buckets(int64_t step) override {
    std::vector<UpdatePiece> parts;
    for (const Bucket& bucket : all_buckets()) {
      const int64_t part = bucket.weights.numel() / shards_;
      parts.push_back({bucket.weights.narrow(0, rank_ * part, part),
                       bucket.gradients.narrow(0, 0, part), bucket.state});
    }
    if (loss_scale() != nullptr) unscale(parts);
    for (size_t b = 0; b < parts.size(); ++b) {
      device().update(optimizer(), {parts[b]}, step, loss_scale());
      Bucket& bucket = all_buckets()[b];
      if (shards_ > 1) send(bucket, group(), Collective::kAllGather, floats_of(bucket.weights));
    }
    if (shards_ == 1) return;
    updated_ = device().mark();
    for (Bucket& bucket : all_buckets()) await(bucket.sent.back());
    arrived_ = device().mark();
  }

  /// A rank sees its own part of the gradients only: an overflow anywhere is everyone's.
  void unscale(const std::vector<UpdatePiece>& parts) {
    loss_scale()->unscale(parts);
    if (shards_ == 1) return;
    torch::Tensor& overflow = loss_scale()->overflow();
    group().start(Collective::kAllreduce, floats_of(overflow))->wait();
    overflow.clamp_max_(1);
  }

  torch::Tensor whole_state(Bucket& bucket) override {
    if (shards_ == 1) return bucket.state;
    if (!gathered_.empty()) return gathered_[&bucket - all_buckets().data()];
    const int64_t part = bucket.state.size(1);
    torch::Tensor whole = torch::zeros({bucket.state.size(0), part * shards_}, device().where());
    for (int64_t row = 0; row < whole.size(0); ++row) {
      whole[row].narrow(0, rank_ * part, part).copy_(bucket.state[row]);
      group().run(Collective::kAllGather, floats_of(whole[row]));
    }
    return whole;
  }

  torch::Tensor own_state(const torch::Tensor& whole) override {
    if (next_shards_ == 1) return whole;
    const int64_t part = whole.size(1) / next_shards_;
    return whole.narrow(1, rank_ * part, part).clone();
  }

  int rank_ = 0;
  int shards_ = 1;                       // the state's, now
  int next_shards_ = 1;                  // and after lay_out()
  std::vector<torch::Tensor> gathered_;  // by bucket; empty: not gathered
  Mark updated_, arrived_;               // before and after waiting for the weights
};

}  // namespace

std::unique_ptr<Strategy> make_zero1(Parameters parameters, const StrategyOptions& options) {
  return std::make_unique<Zero1>(std::move(parameters), options);
}

}  // namespace forerun
