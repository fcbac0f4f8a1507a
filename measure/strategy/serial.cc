// One rank: gradients stay where autograd puts them, nothing is copied or sent.

#include "measure/strategy/strategy.h"
#include "model/error.h"

namespace forerun {
namespace {

class Serial : public Strategy {
 public:
  Serial(Parameters parameters, const StrategyOptions& options)
      : parameters_(std::move(parameters)),
        optimizer_(options.optimizer),
        device_(*options.device),
        loss_scale_(options.loss_scale) {
    for (const torch::Tensor& p : parameters_) {
      states_.push_back(torch::zeros({optimizer_.state_copies(), p.numel()}, device_.where()));
    }
  }

  void attach(Communicator& group) override {
    if (group.size() != 1) {
      throw UsageError("strategy serial trains on one rank (world size is " +
                       std::to_string(group.size()) + "; ddp is for many)");
    }
  }
  void start_backward(const Mark&) override {}
  void finish_backward() override {}

  void update(int64_t step) override {
    std::vector<UpdatePiece> pieces;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      torch::Tensor& gradient = parameters_[i].mutable_grad();
      if (!gradient.defined()) continue;
      pieces.push_back({parameters_[i], lying_like(parameters_[i], gradient), states_[i]});
      gradient = torch::Tensor();  // the next backward moves its own in, without adding
    }
    if (loss_scale_ != nullptr) loss_scale_->unscale(pieces);
    device_.update(optimizer_, pieces, step, loss_scale_);
  }

  std::vector<BucketTrace> buckets() const override { return {}; }
  std::vector<torch::Tensor> states() override { return states_; }
  std::vector<torch::Tensor> held() const override { return states_; }
  double state_bytes() const override {
    double bytes = 0;
    for (const torch::Tensor& state : states_) bytes += static_cast<double>(state.nbytes());
    return bytes;
  }

 private:
  Parameters parameters_;
  std::vector<torch::Tensor> states_;
  Optimizer optimizer_;
  Device& device_;
  LossScale* loss_scale_;
};

}  // namespace

std::unique_ptr<Strategy> make_serial(Parameters parameters, const StrategyOptions& options) {
  return std::make_unique<Serial>(std::move(parameters), options);
}

}  // namespace forerun
