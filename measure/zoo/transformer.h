// The block that the three transformers share.
#pragma once

#include <torch/nn/modules/normalization.h>

#include "measure/zoo/layers.h"

namespace forerun::layers {

struct TransformerOptions {
  int width = 768;
  int heads = 12;
  bool causal = false;     ///< tokens see only those before them
  bool norm_first = true;  ///< x + f(norm(x)); otherwise norm(x + f(x))
  bool tanh_gelu = false;  ///< GELU by its tanh approximation
  double norm_epsilon = 1e-5;
  double dropout = 0;  ///< of attention weights and of both branches
  Init init = normal_002;
  Init branch_init = normal_002;  ///< of the layer that ends each branch
};

/// Self-attention, then a perceptron of four times the width: [batch x tokens x width] to the same.
class TransformerBlock : public torch::nn::Module {
 public:
  explicit TransformerBlock(const TransformerOptions& options);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::Tensor attend(const torch::Tensor& x);
  torch::Tensor perceive(const torch::Tensor& x);
  torch::Tensor drop(const torch::Tensor& x) const;

  TransformerOptions options_;
  torch::nn::LayerNorm norm1_, norm2_;
  std::shared_ptr<Linear> qkv_, out_, up_, down_;
};

torch::nn::LayerNorm layer_norm(const TransformerOptions& options);

}  // namespace forerun::layers
