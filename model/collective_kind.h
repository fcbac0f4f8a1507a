// The collectives that training is made of, their names in files, and what nccl-tests counts as
// their bandwidth.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "model/placement.h"
#include "model/units.h"

namespace forerun {

/// `size` of a collective is the whole buffer: of a reduce-scatter what each rank puts in, of an
/// all-gather what each rank gets out.
enum class Collective { kAllreduce, kReduceScatter, kAllGather, kBroadcast, kReduce };

inline constexpr std::array kCollectives = {Collective::kAllreduce, Collective::kReduceScatter,
                                            Collective::kAllGather, Collective::kBroadcast,
                                            Collective::kReduce};

/// As files and command lines have it: `allreduce`, `reduce_scatter`, ...
constexpr const char* collective_name(Collective collective) {
  constexpr const char* kNames[] = {"allreduce", "reduce_scatter", "all_gather", "broadcast",
                                    "reduce"};
  return kNames[static_cast<int>(collective)];
}

/// nullopt for a name that is none of them.
inline std::optional<Collective> find_collective(const std::string& name) {
  for (const Collective collective : kCollectives) {
    if (name == collective_name(collective)) return collective;
  }
  return std::nullopt;
}

/// How long each collective takes over what its formula says; 1: as it says.
struct CollectiveFactors {
  struct Level {
    std::array<double, kCollectives.size()> values;

    Level() { values.fill(1); }
    double& operator[](Collective collective) { return values[static_cast<size_t>(collective)]; }
    double operator[](Collective collective) const {
      return values[static_cast<size_t>(collective)];
    }
  };
  Level intra, inter;  ///< inside a node, and between nodes: other links, often other algorithms

  Level& at(const Placement& placement) { return placement.nodes() == 1 ? intra : inter; }
  const Level& at(const Placement& placement) const {
    return placement.nodes() == 1 ? intra : inter;
  }
};

/// busbw / algbw: what share of the buffer crosses each rank's link, whatever the algorithm.
/// Source: nccl-tests doc/PERFORMANCE.md, "Bandwidth".
inline double bus_factor(Collective collective, int world_size) {
  const double n = world_size;
  switch (collective) {
    case Collective::kAllreduce:
      return 2 * (n - 1) / n;
    case Collective::kReduceScatter:
    case Collective::kAllGather:
      return (n - 1) / n;
    case Collective::kBroadcast:
    case Collective::kReduce:
      break;
  }
  return 1;
}

/// busbw = size / t * factor: comparable with the link's bandwidth.
inline BytesPerSecond<> bus_bandwidth(Collective collective, Bytes<> size, Seconds<> time,
                                      int world_size) {
  return size / time * bus_factor(collective, world_size);
}

}  // namespace forerun
