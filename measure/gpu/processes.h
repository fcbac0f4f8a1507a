// Who else computes on a GPU.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "measure/gpu/nvml.h"

namespace forerun {

/// `python3 (pid 4711, 3.2 GB)`.
std::string describe(const GpuProcess& process);

/// Those of a GPU's processes that are not ours, in words. Where none is (a container counts
/// processes otherwise than the driver), one of them is taken for us, and the rest are counted.
std::vector<std::string> other_processes(const std::vector<GpuProcess>& processes,
                                         const std::function<bool(int pid)>& ours);

/// This process, and what the same launcher started beside it: the other ranks of this host.
bool is_rank_of_ours(int pid);

}  // namespace forerun
