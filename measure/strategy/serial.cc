// One rank: gradients stay where autograd puts them, nothing is copied or sent.

#include "measure/strategy/strategy.h"
#include "model/error.h"

namespace forerun {
namespace {

class Serial : public Strategy {
 public:
  Serial(Parameters parameters, const StrategyOptions& options)
      : parameters_(std::move(parameters)), optimizer_(options.optimizer) {
    for (const torch::Tensor& p : parameters_) {
      states_.push_back(torch::zeros({optimizer_.state_copies(), p.numel()}));
    }
  }

  void attach(Communicator& group) override {
    if (group.size() != 1) {
      throw UsageError("strategy serial trains on one rank (world size is " +
                       std::to_string(group.size()) + "; ddp is for many)");
    }
  }
  void start_backward(double) override {}
  void finish_backward() override {}

  void update(int64_t step) override {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      torch::Tensor& gradient = parameters_[i].mutable_grad();
      if (!gradient.defined()) continue;
      const torch::Tensor dense = gradient.contiguous();
      optimizer_.step(floats_of(parameters_[i]), floats_of(dense), floats_of(states_[i]), step);
      gradient = torch::Tensor();  // the next backward moves its own in, without adding
    }
  }

  std::vector<BucketTrace> buckets() const override { return {}; }
  std::vector<torch::Tensor> states() override { return states_; }
  double state_bytes() const override {
    double bytes = 0;
    for (const torch::Tensor& state : states_) bytes += static_cast<double>(state.nbytes());
    return bytes;
  }

 private:
  Parameters parameters_;
  std::vector<torch::Tensor> states_;
  Optimizer optimizer_;
};

}  // namespace

std::unique_ptr<Strategy> make_serial(Parameters parameters, const StrategyOptions& options) {
  return std::make_unique<Serial>(std::move(parameters), options);
}

}  // namespace forerun
