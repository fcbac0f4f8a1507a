#include "measure/precision.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <torch/utils.h>
#include <torch/version.h>

#include <array>

#include "model/error.h"

namespace forerun {
namespace {

constexpr std::array<const char*, 4> kNames = {"float32", "tf32", "bfloat16",
                                               "float16"};  // in Numbers' order
constexpr char kChannelsLast[] = "+channels-last";

void set_autocast(torch::DeviceType device, bool enabled, torch::ScalarType type) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  at::autocast::set_autocast_enabled(device, enabled);
  at::autocast::set_autocast_dtype(device, type);
#else
  if (device == torch::kCPU) {
    at::autocast::set_cpu_enabled(enabled);
    at::autocast::set_autocast_cpu_dtype(type);
  } else {
    at::autocast::set_enabled(enabled);
    at::autocast::set_autocast_gpu_dtype(type);
  }
#endif
}

/// Weights that were cast are kept for the forward pass and thrown away with it: the next update
/// changes them.
class Autocast {
 public:
  Autocast(torch::DeviceType device, torch::ScalarType type) : device_(device), type_(type) {
    at::autocast::increment_nesting();
    set_autocast(device_, true, type_);
  }
  ~Autocast() {
    set_autocast(device_, false, type_);
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  torch::DeviceType device_;
  torch::ScalarType type_;
};

}  // namespace

std::string Precision::name() const {
  return std::string(kNames[static_cast<size_t>(numbers)]) + (channels_last ? kChannelsLast : "");
}

Precision find_precision(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    for (const bool channels_last : {false, true}) {
      const Precision precision{static_cast<Numbers>(i), channels_last};
      if (precision.name() == name) return precision;
    }
  }
  throw UsageError("--precision " + name + " (there are float32 and bfloat16, on GPUs tf32 and " +
                   "float16 too, each with or without " + kChannelsLast + ")");
}

void require_numbers(const Precision& precision, torch::DeviceType device) {
  if (device != torch::kCPU) return;
  if (precision.numbers != Numbers::kTf32 && precision.numbers != Numbers::kFloat16) return;
  throw UsageError("--precision " + precision.name() +
                   ": CPUs train in float32 or bfloat16 (autocast)");
}

void prepare(NeuralNetwork& network, const Precision& precision) {
  const bool tf32 = precision.numbers == Numbers::kTf32;
  at::globalContext().setAllowTF32CuBLAS(tf32);
  at::globalContext().setAllowTF32CuDNN(tf32);
  if (!precision.channels_last) return;
  for (torch::Tensor& p : network.parameters()) p.set_data(prepared(p.detach(), precision));
}

torch::Tensor prepared(const torch::Tensor& inputs, const Precision& precision) {
  if (!precision.channels_last || inputs.dim() != 4) return inputs;
  return inputs.contiguous(at::MemoryFormat::ChannelsLast);
}

torch::Tensor forward_in(const Precision& precision, NeuralNetwork& network,
                         const torch::Tensor& inputs) {
  const bool half = precision.numbers == Numbers::kFloat16;
  if (!half && precision.numbers != Numbers::kBfloat16) return network.forward(inputs);
  const Autocast autocast(inputs.device().type(), half ? torch::kFloat16 : torch::kBFloat16);
  return network.forward(inputs).to(torch::kFloat32);
}

}  // namespace forerun
