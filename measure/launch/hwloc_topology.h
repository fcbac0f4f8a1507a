// hwloc's view of a machine, with an owner.
#pragma once

#include <hwloc.h>

#include <memory>
#include <string>
#include <type_traits>

#include "model/error.h"

namespace forerun {

struct HwlocDeleter {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using HwlocTopology = std::unique_ptr<std::remove_pointer_t<hwloc_topology_t>, HwlocDeleter>;

enum class IoObjects { kLeftOut, kKept };

/// Without hwloc's plugins for devices: the kernel and PCI tell where each one is, and asking X
/// displays or drivers takes seconds where none answers (gl tries ten, by name).
inline void leave_out_device_plugins(hwloc_topology_t topology) {
  for (const char* name : {"gl", "opencl", "cuda", "nvml", "rsmi", "levelzero"}) {
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, name);
  }
}

/// Of this machine, or as an XML file tells it. Throws Error if hwloc cannot read it.
inline HwlocTopology load_hwloc(IoObjects io = IoObjects::kLeftOut, const std::string& xml = "") {
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) throw Error("hwloc cannot start");
  HwlocTopology owned(topology);
  if (!xml.empty() && hwloc_topology_set_xml(topology, xml.c_str()) != 0) {
    throw Error(xml + ": hwloc cannot read it");
  }
  if (io == IoObjects::kKept) {
    leave_out_device_plugins(topology);
    hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    // Every bridge counts: how many are passed is what tells PIX from PXB.
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_BRIDGE, HWLOC_TYPE_FILTER_KEEP_ALL);
  }
  if (hwloc_topology_load(topology) != 0) {
    throw Error("hwloc cannot read " + (xml.empty() ? "this machine" : xml));
  }
  return owned;
}

}  // namespace forerun
