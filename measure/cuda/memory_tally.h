// What NCCL takes of a GPU's memory, and for whom: it does not say so itself before 2.29.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <memory>

namespace forerun {

/// Of one communicator and those that were split from it.
struct MemoryTally {
  std::shared_ptr<MemoryTally> parent;
  std::atomic<double> bytes = 0;

  void add(double more) {
    for (MemoryTally* tally = this; tally != nullptr; tally = tally->parent.get()) {
      tally->bytes.fetch_add(more);
    }
  }
};

/// From construction to destruction: what is free then is less by what was taken. Others that use
/// the GPU at this moment are counted in.
class MemoryTaken {
 public:
  explicit MemoryTaken(MemoryTally& by) : by_(by), free_(free_bytes()) {}
  MemoryTaken(const MemoryTaken&) = delete;
  MemoryTaken& operator=(const MemoryTaken&) = delete;
  ~MemoryTaken() { by_.add(std::max(0.0, free_ - free_bytes())); }

 private:
  static double free_bytes() {
    size_t free = 0, total = 0;
    return cudaMemGetInfo(&free, &total) == cudaSuccess ? static_cast<double>(free) : 0;
  }

  MemoryTally& by_;
  double free_;
};

}  // namespace forerun
