// Weight updates, fused over whole buckets: one pass over weights, gradients and state.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace forerun {

enum class OptimizerKind { kSgd, kAdam, kAdamW };

/// Numerically as torch::optim has them; g is the gradient, t counts updates from 1.
///   sgd    m <- mu m + g;   w <- w - lr m
///   adam   m <- b1 m + (1-b1) g;   v <- b2 v + (1-b2) g^2;
///          w <- w - lr m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps)
///   adamw  the same, after w <- w (1 - lr decay)
/// m = v = 0 at the start. Sources: Kingma and Ba 2015; Loshchilov and Hutter 2019.
struct Optimizer {
  OptimizerKind kind = OptimizerKind::kSgd;
  float learning_rate = 0.01f;
  float momentum = 0.9f;  ///< sgd's mu
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  float weight_decay = 0.01f;  ///< adamw's
  /// Above 0: step() waits so long for each weight and changes none. See rehearsal.h.
  double recorded_s_per_weight = 0;

  /// With its usual constants; `learning_rate` 0: the usual one, 0.01 for sgd, else 0.001. Throws
  /// UsageError with near names.
  static Optimizer named(const std::string& name, float learning_rate = 0);
  static const std::vector<std::string>& names();

  /// Numbers kept for each weight.
  int state_copies() const { return kind == OptimizerKind::kSgd ? 1 : 2; }
  /// `state`: state_copies() rows of weights.size(), all zero at the start. `step` counts from 1.
  void step(std::span<float> weights, std::span<const float> gradients, std::span<float> state,
            int64_t step) const;

  std::string name() const;
  std::string text() const;  ///< `sgd, learning rate 0.01, momentum 0.9`
};

}  // namespace forerun
