#include "measure/precision.h"

#include <ATen/autocast_mode.h>
#include <torch/version.h>

#include "model/error.h"

namespace forerun {
namespace {

void set_autocast(bool enabled) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  at::autocast::set_autocast_enabled(at::kCPU, enabled);
#else
  at::autocast::set_cpu_enabled(enabled);
#endif
}

/// Autocast to bfloat16, its default on CPUs. Weights that were cast are kept for the forward pass
/// and thrown away with it: the next update changes them.
class Autocast {
 public:
  Autocast() {
    at::autocast::increment_nesting();
    set_autocast(true);
  }
  ~Autocast() {
    set_autocast(false);
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;
};

}  // namespace

Precision find_precision(const std::string& name) {
  if (name == "float32") return Precision::kFloat32;
  if (name == "bfloat16") return Precision::kBfloat16;
  throw UsageError("--precision " + name + ": CPUs train in float32 or bfloat16 (autocast)");
}

torch::Tensor forward_in(Precision precision, NeuralNetwork& network, const torch::Tensor& inputs) {
  if (precision == Precision::kFloat32) return network.forward(inputs);
  const Autocast autocast;
  return network.forward(inputs).to(torch::kFloat32);
}

}  // namespace forerun
