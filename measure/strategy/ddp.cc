// Bucketed, overlapped data-parallel training, as PyTorch's DistributedDataParallel does it: an
// all-reduce per bucket.

#include "measure/strategy/bucketed.h"

namespace forerun {
namespace {

class Ddp : public BucketedStrategy {
 public:
  using BucketedStrategy::BucketedStrategy;

 private:
  void communicate(Bucket& bucket) override {
    send(bucket, group(), Collective::kAllreduce, floats_of(bucket.gradients), reduction());
  }
};

}  // namespace

std::unique_ptr<Strategy> make_ddp(Parameters parameters, const StrategyOptions& options) {
  return std::make_unique<Ddp>(std::move(parameters), options);
}

}  // namespace forerun
