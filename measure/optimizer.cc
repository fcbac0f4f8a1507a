#include "measure/optimizer.h"

#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdio>

#include "measure/clock.h"
#include "model/error.h"
#include "model/io/command_line.h"

// One binary for every processor: the loader picks the widest vectors there are.
#define FORERUN_VECTOR_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))

namespace forerun {
namespace {

FORERUN_VECTOR_CLONES void sgd_momentum(float* __restrict w, const float* __restrict g,
                                        float* __restrict m, size_t n, float rate, float mu) {
  for (size_t i = 0; i < n; ++i) {
    m[i] = mu * m[i] + g[i];
    w[i] -= rate * m[i];
  }
}

/// What one update of Adam multiplies with.
struct AdamFactors {
  float keep = 1;  ///< of the weight
  float rate = 0;  ///< lr / (1 - b1^t)
  float root = 1;  ///< 1 / sqrt(1 - b2^t)
  float beta1 = 0, beta2 = 0, epsilon = 0;
};

FORERUN_VECTOR_CLONES void adam(float* __restrict w, const float* __restrict g, float* __restrict m,
                                float* __restrict v, size_t n, const AdamFactors& factors) {
  const AdamFactors f = factors;
  for (size_t i = 0; i < n; ++i) {
    m[i] = f.beta1 * m[i] + (1 - f.beta1) * g[i];
    v[i] = f.beta2 * v[i] + (1 - f.beta2) * g[i] * g[i];
    w[i] = f.keep * w[i] - f.rate * m[i] / (std::sqrt(v[i]) * f.root + f.epsilon);
  }
}

AdamFactors adam_factors(const Optimizer& o, int64_t step) {
  const auto t = static_cast<double>(step);
  AdamFactors f;
  f.keep = o.kind == OptimizerKind::kAdamW ? 1 - o.learning_rate * o.weight_decay : 1;
  f.rate = static_cast<float>(o.learning_rate / (1 - std::pow(double(o.beta1), t)));
  f.root = static_cast<float>(1 / std::sqrt(1 - std::pow(double(o.beta2), t)));
  f.beta1 = o.beta1;
  f.beta2 = o.beta2;
  f.epsilon = o.epsilon;
  return f;
}

}  // namespace

const std::vector<std::string>& Optimizer::names() {
  static const std::vector<std::string> names = {"sgd", "adam",
                                                 "adamw"};  // in OptimizerKind's order
  return names;
}

Optimizer Optimizer::named(const std::string& name, float learning_rate) {
  Optimizer optimizer;
  size_t kind = 0;
  while (kind < names().size() && names()[kind] != name) ++kind;
  if (kind == names().size()) {
    const auto near = near_names(name, names());
    throw UsageError(
        "optimizer \"" + name + "\" is unknown (" +
        (near.empty() ? "there are sgd, adam, adamw" : "did you mean " + near.front() + "?") + ")");
  }
  optimizer.kind = static_cast<OptimizerKind>(kind);
  if (optimizer.kind != OptimizerKind::kSgd) optimizer.learning_rate = 0.001f;
  if (learning_rate > 0) optimizer.learning_rate = learning_rate;
  return optimizer;
}

void Optimizer::step(std::span<float> weights, std::span<const float> gradients,
                     std::span<float> state, int64_t step) const {
  const size_t n = weights.size();
  assert(gradients.size() == n && state.size() == n * state_copies() && step >= 1);
  if (recorded_s_per_weight > 0) {
    sleep_until(clock_now() + recorded_s_per_weight * static_cast<double>(n));
  } else if (kind == OptimizerKind::kSgd) {
    sgd_momentum(weights.data(), gradients.data(), state.data(), n, learning_rate, momentum);
  } else {
    adam(weights.data(), gradients.data(), state.data(), state.data() + n, n,
         adam_factors(*this, step));
  }
}

std::string Optimizer::name() const { return names()[static_cast<size_t>(kind)]; }

std::string Optimizer::text() const {
  char out[96];
  std::snprintf(out, sizeof out, "%s, learning rate %g", name().c_str(), double(learning_rate));
  std::string text = out;
  if (kind == OptimizerKind::kSgd)
    std::snprintf(out, sizeof out, ", momentum %g", double(momentum));
  if (kind == OptimizerKind::kAdam) return text;
  if (kind == OptimizerKind::kAdamW) {
    std::snprintf(out, sizeof out, ", weight decay %g", double(weight_decay));
  }
  return text + out;
}

}  // namespace forerun
