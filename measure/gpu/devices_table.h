// What `measure --devices` prints.
#pragma once

#include <iosfwd>

#include "measure/gpu/gpus.h"
#include "measure/launch/topology.h"

namespace forerun {

/// Processor cores, GPUs as they are at this moment, what lies between them, and network adapters.
void print_devices(std::ostream& out, const Topology& topology, const GpuInventory& inventory,
                   bool built_with_cuda, bool json);

}  // namespace forerun
