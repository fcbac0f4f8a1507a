// The processor cores and memory that this process may use: affinity, cgroups, NUMA, caches.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/io/profile.h"

namespace forerun {

/// One host as this process sees it.
struct Topology {
  Host host;
  /// First hardware thread of every physical core that we may run on, in topology order; as many
  /// as a CPU quota of the cgroup allows.
  std::vector<int> core_cpus;
  double memory_limit_bytes = 0;  ///< physical memory, or the cgroup's limit if that is lower
};

enum class Affinity {
  kHonoured,  ///< only cores in our affinity mask: what a user or a batch system left us
  kIgnored,   ///< all cores of the cgroup: the mask is one rank's share, set by a launcher
};

/// A host that one machine plays: what examples/emulated-cluster.sh says in our environment.
struct EmulatedHost {
  std::string description;  ///< of the cluster: `400mbit links`
  int cores = 1;            ///< what it may use at once; not cores of its own
};
/// Nothing on a real host. Throws Error if the environment makes no sense.
std::optional<EmulatedHost> emulated_host();

/// Throws Error if hwloc cannot read the machine.
Topology read_topology(Affinity affinity);

/// CPUs in this thread's affinity mask.
std::vector<int> current_affinity();
/// Pins this thread and those that it creates. Throws Error naming the CPUs.
void pin_to(const std::vector<int>& cpus);

}  // namespace forerun
