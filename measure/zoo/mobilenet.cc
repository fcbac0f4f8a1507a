// MobileNetV2. Source: Sandler et al. 2018, table 2; structure and initialization as torchvision's.
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>

#include "measure/zoo/layers.h"
#include "measure/zoo/models.h"

namespace forerun {
namespace {

/// conv - norm, and ReLU6 unless it is a block's last.
class ConvNorm : public torch::nn::Module {
 public:
  ConvNorm(int in, int out, layers::ConvOptions options, bool activation = true)
      : conv_(register_module("conv", std::make_shared<layers::Conv2d>(in, out, options))),
        norm_(register_module("norm", torch::nn::BatchNorm2d(out))),
        activation_(activation) {}

  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor y = norm_->forward(conv_->forward(x));
    return activation_ ? torch::hardtanh_(y, 0, 6) : y;
  }

 private:
  std::shared_ptr<layers::Conv2d> conv_;
  torch::nn::BatchNorm2d norm_;
  bool activation_;
};

/// 1x1 to `expand` times the width - depthwise 3x3 - 1x1 to a narrow output, plus the input where
/// shapes allow.
class InvertedResidual : public torch::nn::Module {
 public:
  InvertedResidual(int in, int out, int stride, int expand) : residual_(stride == 1 && in == out) {
    const int hidden = in * expand;
    if (expand != 1) {
      body_->push_back(std::make_shared<ConvNorm>(in, hidden, layers::ConvOptions{.kernel = 1}));
    }
    body_->push_back(std::make_shared<ConvNorm>(
        hidden, hidden, layers::ConvOptions{.stride = stride, .padding = 1, .groups = hidden}));
    body_->push_back(
        std::make_shared<ConvNorm>(hidden, out, layers::ConvOptions{.kernel = 1}, false));
    register_module("body", body_);
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor y = body_->forward(x);
    return residual_ ? x + y : y;
  }

 private:
  bool residual_;
  torch::nn::Sequential body_;
};

struct Stage {
  int expand, width, depth, stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

class MobileNetV2 : public NeuralNetwork {
 public:
  MobileNetV2(const InputShape& input, int classes) {
    int in = 32;
    features_->push_back(std::make_shared<ConvNorm>(
        input.channels, in, layers::ConvOptions{.stride = 2, .padding = 1}));
    for (const Stage& stage : kStages) {
      for (int i = 0; i < stage.depth; ++i, in = stage.width) {
        features_->push_back(std::make_shared<InvertedResidual>(
            in, stage.width, i == 0 ? stage.stride : 1, stage.expand));
      }
    }
    features_->push_back(std::make_shared<ConvNorm>(in, 1280, layers::ConvOptions{.kernel = 1}));
    register_module("features", features_);
    classifier_ = register_module(
        "classifier", std::make_shared<layers::Linear>(1280, classes, layers::normal_001));
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    const torch::Tensor x = torch::adaptive_avg_pool2d(features_->forward(inputs), {1, 1});
    return classifier_->forward(torch::dropout(x.flatten(1), 0.2, is_training()));
  }

 private:
  torch::nn::Sequential features_;
  std::shared_ptr<layers::Linear> classifier_;
};

}  // namespace

std::shared_ptr<NeuralNetwork> make_mobilenet_v2(const InputShape& input, int classes) {
  require_image(input, 8);
  return std::make_shared<MobileNetV2>(input, classes);
}

}  // namespace forerun
