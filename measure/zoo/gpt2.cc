// GPT-2, the small one. Source: Radford et al. 2019; structure and initialization as Hugging Face's
// GPT2LMHeadModel, whose head shares the word embeddings.
#include <torch/nn/init.h>
#include <torch/nn/modules/container/sequential.h>

#include "measure/zoo/models.h"
#include "measure/zoo/transformer.h"

namespace forerun {
namespace {

constexpr int kPositions = 1024, kDepth = 12;

/// Branches add up: their last layers start smaller by the root of how many there are.
void normal_branch(torch::Tensor& weight, torch::Tensor& bias) {
  torch::nn::init::normal_(weight, 0, 0.02 / std::sqrt(2.0 * kDepth));
  torch::nn::init::zeros_(bias);
}

class Gpt2 : public NeuralNetwork {
 public:
  explicit Gpt2(int vocabulary) {
    const layers::TransformerOptions options = {
        .causal = true, .tanh_gelu = true, .dropout = 0.1, .branch_init = normal_branch};
    words_ =
        register_module("words", std::make_shared<layers::Embedding>(vocabulary, options.width));
    positions_ = register_module("positions",
                                 std::make_shared<layers::Embedding>(kPositions, options.width));
    for (int i = 0; i < kDepth; ++i) {
      blocks_->push_back(std::make_shared<layers::TransformerBlock>(options));
    }
    register_module("blocks", blocks_);
    norm_ = register_module("norm", layers::layer_norm(options));
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    const torch::Tensor positions = torch::arange(inputs.size(1), inputs.options());
    const torch::Tensor x = words_->forward(inputs) + positions_->forward(positions);
    const torch::Tensor y = norm_->forward(blocks_->forward(torch::dropout(x, 0.1, is_training())));
    return layers::linear(y, words_->weight());
  }

 private:
  std::shared_ptr<layers::Embedding> words_, positions_;
  torch::nn::Sequential blocks_;
  torch::nn::LayerNorm norm_{nullptr};
};

}  // namespace

std::shared_ptr<NeuralNetwork> make_gpt2(const InputShape& input, int classes) {
  require_text(input, kPositions);
  return std::make_shared<Gpt2>(classes);
}

}  // namespace forerun
