// What NCCL wrote about itself: which paths it found, and which algorithm it took for which size.
#pragma once

#include <istream>
#include <set>
#include <string>
#include <vector>

#include "model/io/json_reader.h"

namespace forerun {

/// One way of doing a collective, and the sizes that it was taken for.
struct NcclChoice {
  std::string collective;  ///< NCCL's name: `AllReduce`
  std::string algorithm;   ///< `RING`, `TREE`, `NVLS`, ...
  std::string protocol;    ///< `LL`, `LL128`, `SIMPLE`
  int channels = 0;        ///< at most
  double smallest_bytes = 0, largest_bytes = 0;

  bool operator==(const NcclChoice&) const = default;
};

/// Of one rank, or of several merged.
struct NcclReport {
  std::string version;               ///< `2.28.9+cuda13.0`
  int channels = 0;                  ///< of the communicator that has most
  std::set<std::string> transports;  ///< `P2P/CUMEM`, `SHM/direct/direct`, `NET/IB/GDRDMA`
  std::vector<NcclChoice> choices;   ///< ordered by collective, then by smallest size

  bool empty() const { return version.empty() && transports.empty() && choices.empty(); }
  bool operator==(const NcclReport&) const = default;
};

/// Reads what NCCL_DEBUG=INFO with NCCL_DEBUG_SUBSYS=INIT,GRAPH,TUNING,NET,P2P,SHM writes; other
/// lines are passed over. Formats: NCCL 2.28.9, src/init.cc (version, channels), src/transport/*.cc
/// (connections), src/enqueue.cc (`Bytes -> Algo`, on a communicator's first rank, since 2.23).
NcclReport read_nccl_log(std::istream& log);
/// Adds what another rank saw.
void merge(NcclReport& into, const NcclReport& other);

Json to_json(const NcclReport& report);
/// Throws Error naming a key that is missing.
NcclReport nccl_report(const JsonReader& json);

}  // namespace forerun
