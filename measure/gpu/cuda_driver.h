// The GPUs that CUDA can use, from its driver (libcuda.so.1), opened at run time: the same program
// starts where there is none. No context is made: nothing is taken of a GPU.
// Source of names, types and values: CUDA Driver API reference, 13.0.
#pragma once

#include <string>
#include <vector>

#include "model/io/gpu.h"

namespace forerun {

struct CudaDevices {
  /// In the order in which CUDA counts them, what CUDA_VISIBLE_DEVICES leaves. An instance of a GPU
  /// (MIG) counts as one. Without what only the driver's management library or hwloc know.
  std::vector<Gpu> gpus;
  std::string version;  ///< of CUDA that the driver knows: `13.0`; empty without a driver
  std::string problem;  ///< why there is no GPU: `driver not found (libcuda.so.1: ...)`
};

inline constexpr char kCudaDriver[] = "libcuda.so.1";

/// Starts the driver in this process, once; CUDA_VISIBLE_DEVICES is read then.
CudaDevices list_cuda_devices(const std::string& library = kCudaDriver);

}  // namespace forerun
