#include "measure/device.h"

#include <torch/torch.h>

#include <new>

#include "measure/clock.h"
#include "measure/memory_use.h"
#include "measure/strategy/strategy.h"
#include "model/error.h"
#ifdef FORERUN_CUDA
#include "measure/cuda/cuda_device.h"
#endif

namespace forerun {
namespace {

class ResidentMemory : public MemoryWatch {
 public:
  std::optional<MemoryPeak> peak(double held_bytes, double /*others_bytes*/) const override {
    const auto growth = memory_.growth_bytes();
    if (!growth) return std::nullopt;
    return MemoryPeak{.bytes = held_bytes + *growth};
  }

 private:
  PeakMemory memory_;
};

class CpuDevice : public Device {
 public:
  torch::Device where() const override { return torch::kCPU; }
  Mark mark() override { return {clock_now(), nullptr}; }
  double seconds(const Mark& mark) const override { return mark.host_s; }

  Batch load(const Dataset& data, const std::vector<int64_t>& indices) override {
    return data.get(indices);
  }

  /// One pass, in the order in which both lie in memory.
  void copy_scaled(const torch::Tensor& to, const torch::Tensor& from, float factor) override {
    const torch::Tensor alike = lying_like(to, from);
    const float* source = alike.data_ptr<float>();
    float* target = to.data_ptr<float>();
    const auto count = static_cast<size_t>(to.numel());
    for (size_t i = 0; i < count; ++i) target[i] = source[i] * factor;
  }

  void update(const Optimizer& optimizer, const std::vector<UpdatePiece>& pieces, int64_t step,
              const LossScale* /*loss_scale*/) override {
    for (const UpdatePiece& piece : pieces) {
      optimizer.step(floats_of(piece.weights), floats_of(piece.gradients), floats_of(piece.state),
                     step);
    }
  }

  std::unique_ptr<MemoryWatch> watch_memory() override {
    return std::make_unique<ResidentMemory>();
  }
};

}  // namespace

torch::Tensor lying_like(const torch::Tensor& like, const torch::Tensor& tensor) {
  if (tensor.strides() == like.strides()) return tensor;
  for (int64_t d = 0; d < like.dim(); ++d) {
    if (like.size(d) != 1 && tensor.stride(d) != like.stride(d)) {
      return torch::empty_like(like).copy_(tensor);
    }
  }
  return tensor.as_strided(like.sizes(), like.strides());  // strides of length 1 mean nothing
}

double Device::mark_cost_s() {
  if (mark_cost_s_ == 0) {
    constexpr int kMarks = 2000;
    const double start = clock_now();
    for (int i = 0; i < kMarks; ++i) mark();
    mark_cost_s_ = (clock_now() - start) / kMarks;
  }
  return mark_cost_s_;
}

Device& cpu_device() {
  static CpuDevice device;
  return device;
}

bool built_with_cuda() {
#ifdef FORERUN_CUDA
  return true;
#else
  return false;
#endif
}

std::unique_ptr<Device> make_device(const std::string& kind, [[maybe_unused]] int local_rank) {
  if (kind == "cpu") return std::make_unique<CpuDevice>();
#ifdef FORERUN_CUDA
  if (kind == "cuda") return make_cuda_device(local_rank);
#endif
  throw UsageError(
      "--device " + kind + ": this program was built for " +
      (built_with_cuda() ? "cpu and cuda" : "cpu only; cmake --preset cuda builds it for GPUs"));
}

/// LibTorch reports a failed allocation as a c10::Error with such a text, oneDNN, cuBLAS and cuDNN
/// as their own status.
bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  const std::string what = error.what();
  for (const char* sign : {"can't allocate memory", "not enough memory", "out of memory",
                           "could not create a memory", "out_of_memory", "STATUS_ALLOC_FAILED"}) {
    if (what.find(sign) != std::string::npos) return true;
  }
  return false;
}

}  // namespace forerun
