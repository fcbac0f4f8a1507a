// In which numbers the forward pass computes.
#pragma once

#include <torch/types.h>

#include <string>

#include "measure/zoo/network.h"

namespace forerun {

/// Weights, gradients and the optimizer's state are float32 in both.
enum class Precision {
  kFloat32,
  kBfloat16,  ///< autocast: products and convolutions in bfloat16, the rest as torch.autocast has
              ///< it
};

/// Throws UsageError for a name that is neither.
Precision find_precision(const std::string& name);

/// The network's outputs, as float32 whatever it computed in.
torch::Tensor forward_in(Precision precision, NeuralNetwork& network, const torch::Tensor& inputs);

}  // namespace forerun
