// Residual networks. Source: He et al. 2016; structure and initialization as torchvision's (v1.5:
// the stride sits in the 3x3 convolution).
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>

#include "measure/zoo/layers.h"
#include "measure/zoo/models.h"

namespace forerun {
namespace {

using layers::Conv2d;

/// Up to here images get the stem that is usual for CIFAR: 3x3, stride 1, no pooling.
constexpr int kSmallImage = 64;

/// Two 3x3 convolutions, or 1x1 - 3x3 - 1x1 with four times the width at the end; and a shortcut.
class Block : public torch::nn::Module {
 public:
  Block(int in, int width, int stride, bool bottleneck) {
    if (bottleneck) {
      add(in, width, {.kernel = 1});
      add(width, width, {.kernel = 3, .stride = stride, .padding = 1});
      add(width, 4 * width, {.kernel = 1});
    } else {
      add(in, width, {.kernel = 3, .stride = stride, .padding = 1});
      add(width, width, {.kernel = 3, .padding = 1});
    }
    const int out = bottleneck ? 4 * width : width;
    if (stride == 1 && in == out) return;
    shortcut_ = register_module(
        "downsample",
        torch::nn::Sequential(
            std::make_shared<Conv2d>(in, out, layers::ConvOptions{.kernel = 1, .stride = stride}),
            torch::nn::BatchNorm2d(out)));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor y = x;
    for (size_t i = 0; i < convs_.size(); ++i) {
      y = norms_[i]->forward(convs_[i]->forward(y));
      if (i + 1 < convs_.size()) y.relu_();
    }
    return y.add_(shortcut_.is_empty() ? x : shortcut_->forward(x)).relu_();
  }

 private:
  void add(int in, int out, layers::ConvOptions options) {
    const std::string number = std::to_string(convs_.size() + 1);
    convs_.push_back(register_module("conv" + number, std::make_shared<Conv2d>(in, out, options)));
    norms_.push_back(register_module("bn" + number, torch::nn::BatchNorm2d(out)));
  }

  std::vector<std::shared_ptr<Conv2d>> convs_;
  std::vector<torch::nn::BatchNorm2d> norms_;
  torch::nn::Sequential shortcut_{nullptr};
};

class ResNet : public NeuralNetwork {
 public:
  ResNet(const InputShape& input, int classes, const std::vector<int>& depths, bool bottleneck)
      : small_(input.height <= kSmallImage && input.width <= kSmallImage) {
    const layers::ConvOptions stem = {
        .kernel = small_ ? 3 : 7, .stride = small_ ? 1 : 2, .padding = small_ ? 1 : 3};
    conv1_ = register_module("conv1", std::make_shared<Conv2d>(input.channels, 64, stem));
    bn1_ = register_module("bn1", torch::nn::BatchNorm2d(64));
    int in = 64, width = 64;
    for (size_t stage = 0; stage < depths.size(); ++stage, width *= 2) {
      for (int i = 0; i < depths[stage]; ++i) {
        blocks_->push_back(
            std::make_shared<Block>(in, width, stage > 0 && i == 0 ? 2 : 1, bottleneck));
        in = bottleneck ? 4 * width : width;
      }
    }
    register_module("blocks", blocks_);
    fc_ = register_module("fc", std::make_shared<layers::Linear>(in, classes));
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    torch::Tensor x = bn1_->forward(conv1_->forward(inputs)).relu_();
    if (!small_) x = torch::max_pool2d(x, 3, 2, 1);
    x = torch::adaptive_avg_pool2d(blocks_->forward(x), {1, 1});
    return fc_->forward(x.flatten(1));
  }

 private:
  bool small_;
  std::shared_ptr<Conv2d> conv1_;
  torch::nn::BatchNorm2d bn1_{nullptr};
  torch::nn::Sequential blocks_;
  std::shared_ptr<layers::Linear> fc_;
};

}  // namespace

std::shared_ptr<NeuralNetwork> make_resnet18(const InputShape& input, int classes) {
  require_image(input, 8);
  return std::make_shared<ResNet>(input, classes, std::vector{2, 2, 2, 2}, false);
}

std::shared_ptr<NeuralNetwork> make_resnet50(const InputShape& input, int classes) {
  require_image(input, 8);
  return std::make_shared<ResNet>(input, classes, std::vector{3, 4, 6, 3}, true);
}

}  // namespace forerun
