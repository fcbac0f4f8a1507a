// The GPUs that this process may use, and whether it uses them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "measure/gpu/cuda_driver.h"
#include "measure/gpu/links.h"
#include "measure/gpu/nvml.h"
#include "model/io/gpu.h"

namespace forerun {

struct GpuInventory {
  std::vector<Gpu> gpus;  ///< in the order in which CUDA counts them
  std::vector<Nic> nics;  ///< of the host
  std::string driver;     ///< `580.65.06, CUDA 13.0`; empty without one
  std::string problem;    ///< why there is none: `driver not found (...)`; else empty
  std::string unknown;    ///< facts that are missing, and why; empty: none is
};

/// CUDA says which there are; NVML, where it is there, and hwloc add what they know of those.
GpuInventory find_gpus(const CudaDevices& cuda, const NvmlOpening& opening, const PciTree& tree,
                       std::vector<Nic> nics);

/// Asks the driver once per process.
const GpuInventory& local_gpus();
/// How many there are to use.
int visible_gpus();

/// `cpu` or `cuda`: what was asked, else what build and machine have. Throws UsageError where
/// `asked` is unknown or not in this build, Error where a GPU is needed and there is none: CPUs are
/// taken for GPUs only when told.
/// `inventory` is asked for only where it matters.
std::string resolve_device(const std::string& asked, bool built_with_cuda,
                           const std::function<const GpuInventory&()>& inventory = local_gpus);

/// What a build without CUDA says where there are GPUs; empty otherwise.
std::string unused_gpus(bool built_with_cuda, const GpuInventory& inventory);

}  // namespace forerun
