// The machine that was measured, as files tell it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/io/gpu.h"
#include "model/io/json_reader.h"
#include "model/io/nccl_log.h"

namespace forerun {

/// What the label of a machine begins with where ranks shared a GPU: it shows that they work, not
/// how fast, and is never fitted.
inline constexpr char kSharedGpuLabel[] = "shared GPU";

struct Host {
  std::string hostname;
  std::string processor;  ///< model name
  int cores = 0;          ///< physical cores usable by us
  int numa_nodes = 1;
  double memory_bytes = 0;
  double last_level_cache_bytes = 0;
  std::vector<Gpu> gpus;  ///< that were used, in the order in which ranks of the host took them
  std::vector<Nic> nics;  ///< told where there are GPUs
};

/// The machine and how it was used. What was measured mixes only if same_machine().
struct Machine {
  /// Device kind, how many hosts of which processors and cores, threads per rank; no host names.
  std::string fingerprint;
  std::string device;  ///< `cpu`, or the GPU's name
  int max_ranks = 0;   ///< ranks that do not share a core or GPU
  int threads_per_rank = 1;
  double memory_per_rank_bytes = 0;  ///< capacity that one rank may use
  std::string label;                 ///< empty for a real machine; `emulated`, `recorded compute`
  std::string launch_line;
  std::string clock;  ///< source of the timestamps
  std::vector<Host> hosts;
  std::map<std::string, std::string>
      libraries;    ///< `libtorch`, `mpi`, `blas`, ... to version and path
  NcclReport nccl;  ///< empty where NCCL was not used
};

/// Whether the two have the same kinds of hosts, used alike: how many of each is what a
/// measurement varies, so another number of them is the same machine.
bool same_machine(const Machine& a, const Machine& b);

Json to_json(const Host& host);
Host read_host(const JsonReader& in);
Json to_json(const Machine& machine);
Machine read_machine(const JsonReader& in);

}  // namespace forerun
