// ViT-B/16. Source: Dosovitskiy et al. 2021; structure and initialization as torchvision's.
#include <torch/nn/modules/container/sequential.h>

#include "measure/zoo/models.h"
#include "measure/zoo/transformer.h"
#include "model/error.h"

namespace forerun {
namespace {

constexpr int kPatch = 16, kWidth = 768, kDepth = 12;

/// torchvision draws it from a truncated normal; at two standard deviations that is all but normal.
void normal_fan_in(torch::Tensor& weight, torch::Tensor& bias) {
  const double fan_in = static_cast<double>(weight.numel()) / weight.size(0);
  weight.normal_(0, std::sqrt(1 / fan_in));
  bias.zero_();
}

class VisionTransformer : public NeuralNetwork {
 public:
  VisionTransformer(const InputShape& input, int classes) {
    const int tokens = 1 + (input.height / kPatch) * (input.width / kPatch);
    patches_ = register_module(
        "patches",
        std::make_shared<layers::Conv2d>(
            input.channels, kWidth,
            layers::ConvOptions{.kernel = kPatch, .stride = kPatch, .bias = true}, normal_fan_in));
    class_token_ =
        register_parameter("class_token", layers::new_weight({1, 1, kWidth}, layers::zero));
    positions_ = register_parameter("positions",
                                    layers::new_weight({1, tokens, kWidth}, layers::normal_002));
    const layers::TransformerOptions options = {
        .norm_epsilon = 1e-6, .init = layers::xavier, .branch_init = layers::xavier};
    for (int i = 0; i < kDepth; ++i) {
      blocks_->push_back(std::make_shared<layers::TransformerBlock>(options));
    }
    register_module("blocks", blocks_);
    norm_ = register_module("norm", layers::layer_norm(options));
    head_ =
        register_module("head", std::make_shared<layers::Linear>(kWidth, classes, layers::zero));
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    torch::Tensor x = patches_->forward(inputs).flatten(2).transpose(1, 2);
    x = torch::cat({class_token_.expand({x.size(0), -1, -1}), x}, 1) + positions_;
    x = norm_->forward(blocks_->forward(x));
    return head_->forward(x.select(1, 0));
  }

 private:
  std::shared_ptr<layers::Conv2d> patches_;
  torch::Tensor class_token_, positions_;
  torch::nn::Sequential blocks_;
  torch::nn::LayerNorm norm_{nullptr};
  std::shared_ptr<layers::Linear> head_;
};

}  // namespace

std::shared_ptr<NeuralNetwork> make_vit_b_16(const InputShape& input, int classes) {
  require_image(input, kPatch);
  if (input.height % kPatch != 0 || input.width % kPatch != 0) {
    throw UsageError("input " + input.text() + ": height and width must be multiples of 16");
  }
  return std::make_shared<VisionTransformer>(input, classes);
}

}  // namespace forerun
