// Stage 1 of ZeRO: each rank holds the optimizer's state of one part of every bucket. Gradients are
// reduce-scattered while backward runs, each rank updates its part of the weights, and the weights
// are all-gathered, a bucket while the next one is updated. Source: Rajbhandari et al. 2020.
//
// A rank knows its own part of the state only. So where the group changes without gather_states(),
// the state starts from zero: a measurement goes on with that, a checkpoint never meets it.

#include <torch/torch.h>

#include "measure/clock.h"
#include "measure/strategy/bucketed.h"

namespace forerun {
namespace {

class Zero1 : public BucketedStrategy {
 public:
  using BucketedStrategy::BucketedStrategy;

  void attach(Communicator& group) override {
    if (shards_ > 1) {
      for (Bucket& bucket : all_buckets()) {
        bucket.state = torch::zeros({optimizer().state_copies(), bucket.weights.numel()});
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
    waited_s_ = 0;
    BucketedStrategy::update(step);
  }

  void gather_states() override {
    gathered_.clear();
    std::vector<torch::Tensor> gathered;
    for (Bucket& bucket : all_buckets()) gathered.push_back(whole_state(bucket));
    gathered_ = std::move(gathered);
  }

  Blocked blocked() const override { return {.update_s = waited_s_}; }

 private:
  void communicate(Bucket& bucket) override {
    send(bucket, group(), Collective::kReduceScatter, floats_of(bucket.gradients));
  }

  void update_bucket(Bucket& bucket, int64_t step) override {
    const std::span<float> weights = floats_of(bucket.weights);
    const size_t part = weights.size() / shards_;
    optimizer().step(weights.subspan(rank_ * part, part),
                     floats_of(bucket.gradients).subspan(0, part), floats_of(bucket.state), step);
    if (shards_ == 1) return;
    send(bucket, group(), Collective::kAllGather, weights);
    if (&bucket != &all_buckets().back()) return;
    const double start = clock_now();
    for (Bucket& each : all_buckets()) each.sent.back().pending->wait();
    waited_s_ = clock_now() - start;
  }

  torch::Tensor whole_state(Bucket& bucket) override {
    if (shards_ == 1) return bucket.state;
    if (!gathered_.empty()) return gathered_[&bucket - all_buckets().data()];
    const int64_t part = bucket.state.size(1);
    torch::Tensor whole = torch::zeros({bucket.state.size(0), part * shards_});
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
  double waited_s_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_zero1(Parameters parameters, const StrategyOptions& options) {
  return std::make_unique<Zero1>(std::move(parameters), options);
}

}  // namespace forerun
