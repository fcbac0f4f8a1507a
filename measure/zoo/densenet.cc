// DenseNet-121. Source: Huang et al. 2017; structure and initialization as torchvision's.
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>

#include "measure/zoo/layers.h"
#include "measure/zoo/models.h"

namespace forerun {
namespace {

using layers::Conv2d;

constexpr int kGrowth = 32;     ///< channels that each layer adds
constexpr int kBottleneck = 4;  ///< its 1x1 convolution is this many times wider

/// norm - ReLU - 1x1 - norm - ReLU - 3x3, appended to its own input.
class DenseLayer : public torch::nn::Module {
 public:
  explicit DenseLayer(int in) {
    const int wide = kBottleneck * kGrowth;
    norm1_ = register_module("norm1", torch::nn::BatchNorm2d(in));
    conv1_ = register_module("conv1",
                             std::make_shared<Conv2d>(in, wide, layers::ConvOptions{.kernel = 1},
                                                      layers::kaiming_fan_in));
    norm2_ = register_module("norm2", torch::nn::BatchNorm2d(wide));
    conv2_ = register_module(
        "conv2", std::make_shared<Conv2d>(wide, kGrowth, layers::ConvOptions{.padding = 1},
                                          layers::kaiming_fan_in));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor y = conv1_->forward(norm1_->forward(x).relu_());
    return torch::cat({x, conv2_->forward(norm2_->forward(y).relu_())}, 1);
  }

 private:
  torch::nn::BatchNorm2d norm1_{nullptr}, norm2_{nullptr};
  std::shared_ptr<Conv2d> conv1_, conv2_;
};

/// Halves channels and resolution between two dense blocks.
class Transition : public torch::nn::Module {
 public:
  explicit Transition(int in)
      : norm_(register_module("norm", torch::nn::BatchNorm2d(in))),
        conv_(register_module("conv",
                              std::make_shared<Conv2d>(in, in / 2, layers::ConvOptions{.kernel = 1},
                                                       layers::kaiming_fan_in))) {}

  torch::Tensor forward(const torch::Tensor& x) {
    return torch::avg_pool2d(conv_->forward(norm_->forward(x).relu_()), 2, 2);
  }

 private:
  torch::nn::BatchNorm2d norm_;
  std::shared_ptr<Conv2d> conv_;
};

class DenseNet : public NeuralNetwork {
 public:
  DenseNet(const InputShape& input, int classes, const std::vector<int>& depths) {
    int channels = 64;
    conv0_ = register_module(
        "conv0",
        std::make_shared<Conv2d>(input.channels, channels,
                                 layers::ConvOptions{.kernel = 7, .stride = 2, .padding = 3},
                                 layers::kaiming_fan_in));
    norm0_ = register_module("norm0", torch::nn::BatchNorm2d(channels));
    for (size_t block = 0; block < depths.size(); ++block) {
      for (int i = 0; i < depths[block]; ++i, channels += kGrowth) {
        features_->push_back(std::make_shared<DenseLayer>(channels));
      }
      if (block + 1 == depths.size()) break;
      features_->push_back(std::make_shared<Transition>(channels));
      channels /= 2;
    }
    register_module("features", features_);
    norm5_ = register_module("norm5", torch::nn::BatchNorm2d(channels));
    classifier_ =
        register_module("classifier", std::make_shared<layers::Linear>(channels, classes));
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    torch::Tensor x = norm0_->forward(conv0_->forward(inputs)).relu_();
    x = features_->forward(torch::max_pool2d(x, 3, 2, 1));
    x = torch::adaptive_avg_pool2d(norm5_->forward(x).relu_(), {1, 1});
    return classifier_->forward(x.flatten(1));
  }

 private:
  std::shared_ptr<Conv2d> conv0_;
  torch::nn::BatchNorm2d norm0_{nullptr}, norm5_{nullptr};
  torch::nn::Sequential features_;
  std::shared_ptr<layers::Linear> classifier_;
};

}  // namespace

std::shared_ptr<NeuralNetwork> make_densenet121(const InputShape& input, int classes) {
  require_image(input, 29);  // five halvings, the last three without padding
  return std::make_shared<DenseNet>(input, classes, std::vector{6, 12, 24, 16});
}

}  // namespace forerun
