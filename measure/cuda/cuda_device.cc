#include "measure/cuda/cuda_device.h"

#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/torch.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "measure/cuda/check.h"
#include "measure/cuda/cuda_clock.h"
#include "measure/loss_scale.h"
#include "model/error.h"

namespace forerun {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

double free_bytes() {
  size_t free = 0, total = 0;
  CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<double>(free);
}

/// What LibTorch's allocator held, and what NCCL, cuBLAS and others took beside it. Index 0 of its
/// statistics is of all pools.
class AllocatorPeak : public MemoryWatch {
 public:
  AllocatorPeak(c10::DeviceIndex index, double free_at_start_bytes)
      : index_(index), free_at_start_bytes_(free_at_start_bytes) {
    allocator::emptyCache();
    allocator::resetPeakStats(index_);
  }

  std::optional<MemoryPeak> peak(double /*held_bytes*/, double others_bytes) const override {
    const auto stats = allocator::getDeviceStats(index_);
    const auto bytes = [](int64_t count) { return static_cast<double>(count); };
    MemoryPeak peak;
    peak.free_at_start_bytes = free_at_start_bytes_;
    peak.allocated_bytes = std::max(0.0, bytes(stats.allocated_bytes[0].peak) - others_bytes);
    peak.reserved_bytes = std::max(0.0, bytes(stats.reserved_bytes[0].peak) - others_bytes);
    peak.library_bytes =
        std::max(0.0, free_at_start_bytes_ - free_bytes() - bytes(stats.reserved_bytes[0].current));
    peak.bytes = *peak.reserved_bytes + *peak.library_bytes;
    return peak;
  }

 private:
  c10::DeviceIndex index_;
  double free_at_start_bytes_;
};

/// A batch on its way to the device.
struct Fetched {
  const Dataset* data = nullptr;
  std::vector<int64_t> indices;
  Batch batch;
  Mark arrived;
};

class CudaDevice : public Device {
 public:
  explicit CudaDevice(c10::DeviceIndex index)
      : index_(index), copies_(c10::cuda::getStreamFromPool(false, index)) {
    char address[32] = {};
    CUDA_CHECK(cudaDeviceGetPCIBusId(address, sizeof address, index));
    for (const char* c = address; *c != '\0'; ++c) {
      pci_address_ += static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
    }
    cuda_clock();  // the first use of the device: its context is there from now on
    free_at_start_bytes_ = free_bytes();
  }

  torch::Device where() const override { return {torch::kCUDA, index_}; }
  std::string pci_address() const override { return pci_address_; }
  std::optional<double> memory_bytes() const override { return free_at_start_bytes_; }

  Mark mark() override { return cuda_clock().record(current_cuda_stream()); }
  /// Streams of others are waited for by the current one.
  void settle() override {
    c10::cuda::getCurrentCUDAStream(index_).synchronize();
    cuda_clock().anchor();
  }
  double seconds(const Mark& mark) const override {
    return mark.event == nullptr ? mark.host_s : cuda_clock().seconds(mark);
  }
  torch::Tensor to_host(const torch::Tensor& tensor) override {
    return torch::empty(tensor.sizes(), tensor.options().device(torch::kCPU).pinned_memory(true))
        .copy_(tensor, /*non_blocking=*/true);
  }

  Batch load(const Dataset& data, const std::vector<int64_t>& indices) override {
    Fetched fetched;
    if (!expected_.empty() && expected_.front().data == &data &&
        expected_.front().indices == indices) {
      fetched = std::move(expected_.front());
      expected_.pop_front();
    } else {
      expected_.clear();
      fetched = fetch(data, indices);
    }
    const c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream(index_);
    CUDA_CHECK(cudaStreamWaitEvent(stream, event_of(fetched.arrived), 0));
    // Their memory is of the other stream's pool: not to be reused before this one is done.
    fetched.batch.inputs.record_stream(stream);
    fetched.batch.targets.record_stream(stream);
    return fetched.batch;
  }
  /// Where memory is short, nothing: the step that needs the batch will tell, and all ranks agree
  /// on what becomes of it.
  void expect(const Dataset& data, std::vector<std::vector<int64_t>> indices) override {
    expected_.clear();
    try {
      for (std::vector<int64_t>& each : indices) expected_.push_back(fetch(data, std::move(each)));
    } catch (const std::exception& error) {
      expected_.clear();
      if (!is_out_of_memory(error)) throw;
    }
  }

  void copy_scaled(const torch::Tensor& to, const torch::Tensor& from, float factor) override {
    if (factor != factor_) flush();
    factor_ = factor;
    to_.push_back(to);
    from_.push_back(lying_like(to, from));
  }
  void flush() override {
    if (to_.empty()) return;
    const torch::NoGradGuard no_grad;
    at::_foreach_copy_(to_, from_);
    if (factor_ != 1) at::_foreach_mul_(to_, factor_);
    to_.clear();
    from_.clear();
  }
  void update(const Optimizer& optimizer, const std::vector<UpdatePiece>& pieces, int64_t step,
              const LossScale* loss_scale) override {
    fused_update(optimizer, pieces, step, loss_scale);
  }

  std::unique_ptr<MemoryWatch> watch_memory() override {
    return std::make_unique<AllocatorPeak>(index_, free_at_start_bytes_);
  }
  bool ran_out_of_memory() override {
    const int64_t count = allocator::getDeviceStats(index_).num_ooms;
    return std::exchange(failed_allocations_, count) != count;
  }
  void empty_cache() override {
    expected_.clear();
    allocator::emptyCache();
  }

 private:
  Fetched fetch(const Dataset& data, std::vector<int64_t> indices) {
    const Batch host = data.get(indices);
    const c10::cuda::CUDAStreamGuard guard(copies_);
    // Pinned memory is not reused before its copy is done: LibTorch's allocator sees to it.
    const auto send = [&](const torch::Tensor& tensor) {
      return tensor.pin_memory().to(where(), /*non_blocking=*/true);
    };
    Batch batch{send(host.inputs), send(host.targets)};
    return {&data, std::move(indices), std::move(batch), cuda_clock().record(copies_)};
  }

  c10::DeviceIndex index_;
  c10::cuda::CUDAStream copies_;
  std::string pci_address_;
  double free_at_start_bytes_ = 0;
  int64_t failed_allocations_ = 0;
  std::deque<Fetched> expected_;
  std::vector<torch::Tensor> to_, from_;
  float factor_ = 1;
};

}  // namespace

std::unique_ptr<Device> make_cuda_device(int index) {
  const int count = c10::cuda::device_count();
  if (index >= count) {
    throw Error("no GPU for local rank " + std::to_string(index) + " (this process sees " +
                std::to_string(count) +
                "): start one rank per GPU, look at CUDA_VISIBLE_DEVICES, or add --device cpu");
  }
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(index));
  return std::make_unique<CudaDevice>(static_cast<c10::DeviceIndex>(index));
}

cudaStream_t current_cuda_stream() { return c10::cuda::getCurrentCUDAStream(); }

void fused_update(const Optimizer& optimizer, const std::vector<UpdatePiece>& pieces, int64_t step,
                  const LossScale* loss_scale) {
  if (pieces.empty()) return;
  const torch::NoGradGuard no_grad;
  // The kernels want alike shapes, and need no more than that both lie alike in memory.
  const auto flat = [](const torch::Tensor& t) {
    return t.dim() == 1 ? t : t.as_strided({t.numel()}, {1});
  };
  std::vector<torch::Tensor> weights, gradients, first, second;
  for (const UpdatePiece& piece : pieces) {
    weights.push_back(flat(piece.weights));
    gradients.push_back(flat(piece.gradients));
    first.push_back(piece.state[0]);
    if (optimizer.state_copies() > 1) second.push_back(piece.state[1]);
  }
  std::optional<torch::Tensor> overflow;
  if (loss_scale != nullptr) overflow = loss_scale->overflow();
  if (optimizer.kind == OptimizerKind::kSgd) {
    at::_fused_sgd_(weights, gradients, first, /*weight_decay=*/0, optimizer.momentum,
                    optimizer.learning_rate, /*dampening=*/0, /*nesterov=*/false,
                    /*maximize=*/false, /*is_first_step=*/false, {}, overflow);
    return;
  }
  const torch::Tensor number = loss_scale != nullptr
                                   ? loss_scale->update_number()
                                   : torch::full({}, step, weights.front().options());
  const std::vector<torch::Tensor> numbers(pieces.size(), number);
  if (optimizer.kind == OptimizerKind::kAdamW) {
    at::_fused_adamw_(weights, gradients, first, second, {}, numbers, optimizer.learning_rate,
                      optimizer.beta1, optimizer.beta2, optimizer.weight_decay, optimizer.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false, {}, overflow);
  } else {
    at::_fused_adam_(weights, gradients, first, second, {}, numbers, optimizer.learning_rate,
                     optimizer.beta1, optimizer.beta2, /*weight_decay=*/0, optimizer.epsilon,
                     /*amsgrad=*/false, /*maximize=*/false, {}, overflow);
  }
}

}  // namespace forerun
