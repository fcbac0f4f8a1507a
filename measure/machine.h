// What we run on, as the profile tells it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "measure/collective.h"
#include "measure/gpu/gpus.h"
#include "measure/launch/topology.h"
#include "model/io/profile.h"

namespace forerun {

/// Where the ranks of a launch sit.
struct RankMap {
  std::vector<std::string> hosts;  ///< host name of each rank
  int local_rank = 0;              ///< of this rank, on its host
  int local_ranks = 1;             ///< on this host

  /// Of the first `world_size` ranks.
  Placement placement(int world_size) const;
};

/// Also tells `world` its nodes: ranks of equal host names share one. Collective.
RankMap map_ranks(Communicator& world, const std::string& hostname);

/// Gives this rank `threads` cores of its own, unless the launcher already did. Returns true where
/// ranks of a host share cores (more ranks than cores). Collective. Throws Error if cores are
/// shared and `allow_sharing` is false.
bool take_cores(Communicator& world, const RankMap& map, const Topology& topology, int threads,
                bool allow_sharing);

/// CPUs of every rank, by rank: after take_cores(). Collective.
std::vector<std::vector<int>> cpus_of_ranks(Communicator& world);

/// The fingerprint of these hosts, in any order: device kind, processor models, cores, GPUs,
/// threads per rank; no names.
std::string fingerprint(const std::vector<Host>& hosts, int threads_per_rank,
                        const std::string& label, const std::string& device = "cpu");

/// Which libraries compute, by name to `version (path)`.
struct LoadedBlas {
  std::string name;     ///< `OpenBLAS`, `MKL`, `ATLAS`, `reference BLAS`, `unknown`
  std::string path;     ///< file that is mapped
  std::string warning;  ///< empty, or why it is slow and what to install
};
/// From the files mapped into a process (/proc/self/maps).
LoadedBlas find_blas(const std::string& maps);

/// Adds this process's GPUs, and the network adapters beside them, to a host.
void add_gpus(Host& host, const GpuInventory& inventory);

/// Describes the whole job; the same on every rank. Collective.
struct MachineInputs {
  Topology topology;
  int threads_per_rank = 1;
  std::string label, launch_line, torch, mpi, compute_settings;
  std::string device = "cpu";        ///< or `cuda`: then the host of `topology` has GPUs
  double memory_per_rank_bytes = 0;  ///< 0: an equal share of what the host has
};
Machine describe_machine(Communicator& world, const RankMap& map, const MachineInputs& inputs);

/// `now` with what was measured `before` on other hosts of the same machine.
Machine grown(const Machine& before, Machine now);

/// Throws Error if the profile comes from another machine; names both.
void require_same_machine(const std::filesystem::path& path, const Machine& theirs,
                          const Machine& ours);

}  // namespace forerun
