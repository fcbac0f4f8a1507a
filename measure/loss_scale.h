// Scaling of the loss: gradients of float16 below 2^-24 would be zero.
#pragma once

#include <torch/types.h>

#include <vector>

#include "measure/device.h"

namespace forerun {

/// As torch.amp.GradScaler does it, with its constants: the loss is multiplied by a scale that
/// starts at 2^16; where a gradient is then not finite the update is left out and the scale halved;
/// after 2000 updates in a row it doubles. All of it on the device: the host never waits.
/// Source: torch/amp/grad_scaler.py.
class LossScale {
 public:
  explicit LossScale(torch::Device device);

  torch::Tensor scaled(const torch::Tensor& loss) const { return loss * scale_; }
  /// Divides gradients by the scale, and notes whether one is not finite.
  void unscale(const std::vector<UpdatePiece>& pieces);
  /// [1] float32: 1 where the coming update is left out, else 0.
  torch::Tensor& overflow() { return overflow_; }
  const torch::Tensor& overflow() const { return overflow_; }
  /// Number of the coming update, from 1: those left out do not count.
  torch::Tensor update_number() const { return updates_ + 1; }
  /// After the update.
  void adapt();

  /// Everything that a training goes on with, sharing memory.
  std::vector<torch::Tensor> state() const { return {scale_, growth_, updates_}; }

 private:
  torch::Tensor scale_;    // [1] float32
  torch::Tensor growth_;   // [1] int32: updates since the scale last changed
  torch::Tensor updates_;  // [] float32: that were made
  torch::Tensor overflow_;
};

}  // namespace forerun
