// Data-parallel training whose buckets cross the network between nodes once a node: each is reduced
// to the node's first rank, all-reduced between those, and broadcast back.

#include <map>

#include "measure/strategy/bucketed.h"

namespace forerun {
namespace {

class Hierarchical : public BucketedStrategy {
 public:
  using BucketedStrategy::BucketedStrategy;

  void attach(Communicator& group) override {
    const auto [at, is_new] = by_group_.try_emplace(&group);
    if (is_new) at->second = nest(group);
    nested_ = &at->second;
    BucketedStrategy::attach(group);
  }

 private:
  bool reduces_once() const override { return false; }
  void communicate(Bucket& bucket) override {
    const std::span<float> gradients = floats_of(bucket.gradients);
    const bool alone = nested_->node->size() == 1;
    if (!alone) send(bucket, *nested_->node, Collective::kReduce, gradients);
    if (nested_->leaders != nullptr && nested_->leaders->size() > 1) {
      send(bucket, *nested_->leaders, Collective::kAllreduce, gradients);
    }
    if (!alone) send(bucket, *nested_->node, Collective::kBroadcast, gradients);
  }

  /// Each of the nested groups for itself; then all must agree.
  bool prepare_groups() override {
    bool fits = true;
    if (nested_->node->size() > 1) {
      fits = prepare_group(*nested_->node, {Collective::kReduce, Collective::kBroadcast});
    }
    if (nested_->leaders != nullptr && nested_->leaders->size() > 1) {
      fits = prepare_group(*nested_->leaders, {Collective::kAllreduce}) && fits;
    }
    return group().on_all(fits);
  }

  bool prepare_group(Communicator& part, const std::vector<Collective>& collectives) {
    return part.prepare([&] {
      for (Bucket& bucket : all_buckets()) {
        for (const Collective collective : collectives) {
          send(bucket, part, collective, floats_of(bucket.gradients));
        }
      }
      await_all();
    });
  }

  std::map<Communicator*, NestedGroups> by_group_;
  NestedGroups* nested_ = nullptr;
};

}  // namespace

std::unique_ptr<Strategy> make_hierarchical(Parameters parameters, const StrategyOptions& options) {
  return std::make_unique<Hierarchical>(std::move(parameters), options);
}

}  // namespace forerun
