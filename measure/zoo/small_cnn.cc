// The two small networks of tutorials. Neither has dropout or batch normalization, so that training
// does not depend on how many ranks share a batch.
#include <torch/nn/functional/pooling.h>

#include "measure/zoo/layers.h"
#include "measure/zoo/models.h"

namespace forerun {
namespace {

using layers::Conv2d;
using layers::Linear;

/// conv 32 - conv 64 - pool - 128 - classes. Source: PyTorch's MNIST example, less its dropout.
class MnistCnn : public NeuralNetwork {
 public:
  MnistCnn(const InputShape& input, int classes) {
    const auto init = layers::uniform_fan_in;
    conv1_ = register_module(
        "conv1",
        std::make_shared<Conv2d>(input.channels, 32, layers::ConvOptions{.bias = true}, init));
    conv2_ = register_module(
        "conv2", std::make_shared<Conv2d>(32, 64, layers::ConvOptions{.bias = true}, init));
    const int features = 64 * ((input.height - 4) / 2) * ((input.width - 4) / 2);
    fc1_ = register_module("fc1", std::make_shared<Linear>(features, 128));
    fc2_ = register_module("fc2", std::make_shared<Linear>(128, classes));
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    torch::Tensor x = conv1_->forward(inputs).relu_();
    x = torch::max_pool2d(conv2_->forward(x).relu_(), 2);
    return fc2_->forward(fc1_->forward(x.flatten(1)).relu_());
  }

 private:
  std::shared_ptr<Conv2d> conv1_, conv2_;
  std::shared_ptr<Linear> fc1_, fc2_;
};

/// (conv - conv - pool) x 2 - 512 - classes. Source: Keras' cifar10_cnn example, less its dropout.
class CifarCnn : public NeuralNetwork {
 public:
  CifarCnn(const InputShape& input, int classes) {
    const int widths[] = {input.channels, 32, 32, 64, 64};
    for (int i = 0; i < 4; ++i) {
      convs_.push_back(register_module(
          "conv" + std::to_string(i + 1),
          std::make_shared<Conv2d>(widths[i], widths[i + 1],
                                   layers::ConvOptions{.padding = i % 2 == 0 ? 1 : 0, .bias = true},
                                   layers::xavier)));
    }
    const auto pooled = [](int length) { return ((length - 2) / 2 - 2) / 2; };
    const int features = 64 * pooled(input.height) * pooled(input.width);
    fc1_ = register_module("fc1", std::make_shared<Linear>(features, 512, layers::xavier));
    fc2_ = register_module("fc2", std::make_shared<Linear>(512, classes, layers::xavier));
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    torch::Tensor x = inputs;
    for (size_t i = 0; i < convs_.size(); ++i) {
      x = convs_[i]->forward(x).relu_();
      if (i % 2 == 1) x = torch::max_pool2d(x, 2);
    }
    return fc2_->forward(fc1_->forward(x.flatten(1)).relu_());
  }

 private:
  std::vector<std::shared_ptr<Conv2d>> convs_;
  std::shared_ptr<Linear> fc1_, fc2_;
};

}  // namespace

std::shared_ptr<NeuralNetwork> make_mnist_cnn(const InputShape& input, int classes) {
  require_image(input, 6);
  return std::make_shared<MnistCnn>(input, classes);
}

std::shared_ptr<NeuralNetwork> make_cifar_cnn(const InputShape& input, int classes) {
  require_image(input, 10);
  return std::make_shared<CifarCnn>(input, classes);
}

}  // namespace forerun
