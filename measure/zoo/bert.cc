// BERT-base, uncased. Source: Devlin et al. 2019; structure and initialization as Hugging Face's
// BertModel, pooler included.
#include <torch/nn/modules/container/sequential.h>

#include "measure/zoo/models.h"
#include "measure/zoo/transformer.h"

namespace forerun {
namespace {

constexpr int kVocabulary = 30522, kPositions = 512, kTypes = 2, kDepth = 12;

/// A text classifier. The published count has no head, so the logits are products of the pooled
/// output with the embeddings of the first `classes` tokens: a class is named by a token.
class Bert : public NeuralNetwork {
 public:
  explicit Bert(int classes) : classes_(classes) {
    const layers::TransformerOptions options = {
        .norm_first = false, .norm_epsilon = 1e-12, .dropout = 0.1};
    const int width = options.width;
    words_ = register_module("words", std::make_shared<layers::Embedding>(kVocabulary, width));
    positions_ =
        register_module("positions", std::make_shared<layers::Embedding>(kPositions, width));
    types_ = register_module("types", std::make_shared<layers::Embedding>(kTypes, width));
    norm_ = register_module("norm", layers::layer_norm(options));
    for (int i = 0; i < kDepth; ++i) {
      blocks_->push_back(std::make_shared<layers::TransformerBlock>(options));
    }
    register_module("blocks", blocks_);
    pooler_ = register_module("pooler",
                              std::make_shared<layers::Linear>(width, width, layers::normal_002));
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    const torch::Tensor positions = torch::arange(inputs.size(1), inputs.options());
    torch::Tensor x = words_->forward(inputs) + positions_->forward(positions) +
                      types_->forward(torch::zeros_like(inputs));
    x = torch::dropout(norm_->forward(x), 0.1, is_training());
    x = torch::tanh(pooler_->forward(blocks_->forward(x).select(1, 0)));
    return layers::linear(x, words_->weight().narrow(0, 0, classes_));
  }

 private:
  int classes_;
  std::shared_ptr<layers::Embedding> words_, positions_, types_;
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Sequential blocks_;
  std::shared_ptr<layers::Linear> pooler_;
};

}  // namespace

std::shared_ptr<NeuralNetwork> make_bert_base(const InputShape& input, int classes) {
  require_text(input, kPositions);
  return std::make_shared<Bert>(classes);
}

}  // namespace forerun
