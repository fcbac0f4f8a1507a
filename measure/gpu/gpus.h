// The GPUs that this process may use, and whether it uses them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "measure/gpu/nvml.h"
#include "model/io/gpu.h"

namespace forerun {

struct GpuInventory {
  std::vector<Gpu> gpus;  ///< in the order in which CUDA counts them
  std::vector<Nic> nics;  ///< of the host
  std::string driver;     ///< `580.65.06, CUDA 13.0`; empty without one
  std::string problem;    ///< why there is none: `driver not found (...)`; else empty
};

/// Asks the driver once per process.
const GpuInventory& local_gpus();
/// How many there are to use.
int visible_gpus();

/// What CUDA_VISIBLE_DEVICES leaves of the host's GPUs: numbers, or UUIDs as far as they are
/// written, up to the first that does not exist; all where the variable is not set (`nullptr`). Of
/// GPUs cut into instances CUDA takes one instance, and then nothing else.
/// Source: CUDA C++ Programming Guide, CUDA environment variables; NVIDIA Multi-Instance GPU User
/// Guide, Device Enumeration.
std::vector<int> visible_devices(const std::vector<Gpu>& gpus, const char* variable);

/// `cpu` or `cuda`: what was asked, else what build and machine have. Throws UsageError where
/// `asked` is unknown or not in this build, Error where a GPU is needed and there is none: CPUs are
/// taken for GPUs only when told.
/// `inventory` is asked for only where it matters.
std::string resolve_device(const std::string& asked, bool built_with_cuda,
                           const std::function<const GpuInventory&()>& inventory = local_gpus);

/// What a build without CUDA says where there are GPUs; empty otherwise.
std::string unused_gpus(bool built_with_cuda, const GpuInventory& inventory);

}  // namespace forerun
