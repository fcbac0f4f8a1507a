// Which GPU of its host a rank trains on.
#pragma once

#include <string>

#include "measure/collective.h"

namespace forerun {

struct GpuOfRank {
  int device = 0;       ///< as CUDA counts what CUDA_VISIBLE_DEVICES leaves to this process
  bool shared = false;  ///< some ranks of the launch have one GPU
};

/// The n-th rank of a host takes the n-th GPU that it sees, from the start again where there are
/// fewer. Throws UsageError naming two ranks that would share a GPU unless `may_share`; then NCCL,
/// which refuses that, is told that every rank is a host of its own. Collective.
GpuOfRank choose_gpu(Communicator& control, bool may_share);

/// Version and path of the CUDA runtime, and what the driver can: `13.0 (path), driver 13.0`.
std::string loaded_cuda();

}  // namespace forerun
