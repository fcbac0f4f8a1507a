// VGG-16 without batch normalization. Source: Simonyan and Zisserman 2015, configuration D;
// structure and initialization as torchvision's.
#include "measure/zoo/layers.h"
#include "measure/zoo/models.h"

namespace forerun {
namespace {

class Vgg : public NeuralNetwork {
 public:
  Vgg(const InputShape& input, int classes) {
    int in = input.channels;
    for (int width : {64, 64, kPool, 128, 128, kPool, 256, 256, 256, kPool, 512, 512, 512, kPool,
                      512, 512, 512, kPool}) {
      convs_.push_back(nullptr);
      if (width == kPool) continue;
      convs_.back() =
          register_module("conv" + std::to_string(convs_.size()),
                          std::make_shared<layers::Conv2d>(
                              in, width, layers::ConvOptions{.padding = 1, .bias = true}));
      in = width;
    }
    const int widths[] = {512 * 7 * 7, 4096, 4096, classes};
    for (int i = 0; i < 3; ++i) {
      fcs_.push_back(register_module(
          "fc" + std::to_string(i + 1),
          std::make_shared<layers::Linear>(widths[i], widths[i + 1], layers::normal_001)));
    }
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    torch::Tensor x = inputs;
    for (const auto& conv : convs_) {
      x = conv != nullptr ? conv->forward(x).relu_() : torch::max_pool2d(x, 2, 2);
    }
    x = torch::adaptive_avg_pool2d(x, {7, 7}).flatten(1);
    for (size_t i = 0; i < 2; ++i) {
      x = torch::dropout(fcs_[i]->forward(x).relu_(), 0.5, is_training());
    }
    return fcs_[2]->forward(x);
  }

 private:
  static constexpr int kPool = 0;

  std::vector<std::shared_ptr<layers::Conv2d>> convs_;  ///< null: a pooling
  std::vector<std::shared_ptr<layers::Linear>> fcs_;
};

}  // namespace

std::shared_ptr<NeuralNetwork> make_vgg16(const InputShape& input, int classes) {
  require_image(input, 32);
  return std::make_shared<Vgg>(input, classes);
}

}  // namespace forerun
