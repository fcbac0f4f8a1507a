// In which numbers a network computes, and how its images lie in memory.
#pragma once

#include <torch/types.h>

#include <string>

#include "measure/zoo/network.h"

namespace forerun {

/// Weights, gradients and the optimizer's state are float32 in all.
enum class Numbers {
  kFloat32,   ///< and nothing less: a GPU's TF32 is off
  kTf32,      ///< a GPU's products and convolutions of float32 keep 10 bits after the point
  kBfloat16,  ///< autocast: products and convolutions in bfloat16, the rest as torch.autocast has
              ///< it
  kFloat16,   ///< autocast to float16, and the loss is scaled: see loss_scale.h
};

/// A part of what was measured: the same network in another precision is another workload.
struct Precision {
  Numbers numbers = Numbers::kFloat32;
  bool channels_last = false;  ///< the channels of a pixel lie side by side; else those of an image

  std::string name() const;  ///< `float32`, `bfloat16+channels-last`
};

/// Throws UsageError for a name that is none.
Precision find_precision(const std::string& name);

/// Throws UsageError where a device does not have these numbers.
void require_numbers(const Precision& precision, torch::DeviceType device);

/// Makes a network compute so: before anything else holds its parameters. `network` is where it
/// will train.
void prepare(NeuralNetwork& network, const Precision& precision);
/// Inputs as a network wants them that was prepared.
torch::Tensor prepared(const torch::Tensor& inputs, const Precision& precision);

/// The network's outputs, as float32 whatever it computed in.
torch::Tensor forward_in(const Precision& precision, NeuralNetwork& network,
                         const torch::Tensor& inputs);

}  // namespace forerun
