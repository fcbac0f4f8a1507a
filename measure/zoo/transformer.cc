#include "measure/zoo/transformer.h"

namespace forerun::layers {

torch::nn::LayerNorm layer_norm(const TransformerOptions& options) {
  return torch::nn::LayerNorm(
      torch::nn::LayerNormOptions({options.width}).eps(options.norm_epsilon));
}

TransformerBlock::TransformerBlock(const TransformerOptions& options)
    : options_(options),
      norm1_(register_module("norm1", layer_norm(options))),
      norm2_(register_module("norm2", layer_norm(options))) {
  const int width = options.width;
  qkv_ = register_module("qkv", std::make_shared<Linear>(width, 3 * width, options.init));
  out_ = register_module("out", std::make_shared<Linear>(width, width, options.branch_init));
  up_ = register_module("up", std::make_shared<Linear>(width, 4 * width, options.init));
  down_ = register_module("down", std::make_shared<Linear>(4 * width, width, options.branch_init));
}

torch::Tensor TransformerBlock::forward(const torch::Tensor& x) {
  if (options_.norm_first) {
    const torch::Tensor y = x + attend(norm1_->forward(x));
    return y + perceive(norm2_->forward(y));
  }
  const torch::Tensor y = norm1_->forward(x + attend(x));
  return norm2_->forward(y + perceive(y));
}

torch::Tensor TransformerBlock::attend(const torch::Tensor& x) {
  const int64_t batch = x.size(0), tokens = x.size(1);
  // [batch x tokens x 3 x heads x d] to three of [batch x heads x tokens x d]
  const std::vector<torch::Tensor> qkv = qkv_->forward(x)
                                             .view({batch, tokens, 3, options_.heads, -1})
                                             .permute({2, 0, 3, 1, 4})
                                             .unbind();
  const torch::Tensor y =
      attention(qkv[0], qkv[1], qkv[2], options_.causal, is_training() ? options_.dropout : 0);
  return drop(out_->forward(y.transpose(1, 2).reshape({batch, tokens, options_.width})));
}

torch::Tensor TransformerBlock::perceive(const torch::Tensor& x) {
  return drop(down_->forward(torch::gelu(up_->forward(x), options_.tanh_gelu ? "tanh" : "none")));
}

torch::Tensor TransformerBlock::drop(const torch::Tensor& x) const {
  return options_.dropout > 0 ? torch::dropout(x, options_.dropout, is_training()) : x;
}

}  // namespace forerun::layers
