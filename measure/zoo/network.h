// What the trainer knows about a network.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

namespace forerun {

/// A network that can be trained. Parameters and buffers as torch::nn::Module has them.
class NeuralNetwork : public torch::nn::Module {
 public:
  /// Inputs as in Batch; logits [batch x classes], or [batch x tokens x classes] where every token
  /// has a target.
  virtual torch::Tensor forward(const torch::Tensor& inputs) = 0;
};

/// Mean cross-entropy over samples (and tokens).
torch::Tensor cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets);

/// Share of samples (and tokens) whose largest logit is the target's, 0..1.
double accuracy(const torch::Tensor& logits, const torch::Tensor& targets);

/// What a network says about itself before it was ever trained.
struct NetworkFacts {
  double parameters = 0;       ///< trainable; shared ones once
  double grad_bytes = 0;       ///< all-reduced per step and rank
  double flop_per_sample = 0;  ///< forward and backward
};

/// FLOP are counted in the convolutions and matrix products that a forward pass of `inputs` really
/// runs (multiply and add are two), backward as twice that. Leaves no trace in the network.
NetworkFacts network_facts(NeuralNetwork& network, const torch::Tensor& inputs);

}  // namespace forerun
