#include "measure/machine.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "measure/clock.h"
#include "model/error.h"

namespace forerun {
namespace {

constexpr double kUsableMemory = 0.9;  // of the host: the rest is the system's

std::string join(const std::vector<int>& values) {
  std::string out;
  for (const int v : values) out += (out.empty() ? "" : " ") + std::to_string(v);
  return out;
}

std::vector<int> split(const std::string& text) {
  std::istringstream in(text);
  std::vector<int> values;
  for (int v; in >> v;) values.push_back(v);
  return values;
}

std::string whole_file(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A host as one of its ranks tells of it.
Json host_json(const Topology& topology) {
  Json out = to_json(topology.host);
  out["limit"] = topology.memory_limit_bytes;
  return out;
}

/// Batch systems give each rank a GPU of its own, which then sees no other: a host has the GPUs of
/// all its ranks.
void merge_gpus(std::vector<Gpu>& gpus, const std::vector<Gpu>& of_a_rank) {
  for (const Gpu& gpu : of_a_rank) {
    if (std::ranges::none_of(gpus, [&](const Gpu& known) { return known.uuid == gpu.uuid; })) {
      gpus.push_back(gpu);
    }
  }
}

/// `8 x NVIDIA H200` for each kind.
std::string gpu_kinds(const Host& host) {
  std::map<std::string, int> kinds;
  for (const Gpu& gpu : host.gpus) ++kinds[gpu.name];
  std::string text;
  for (const auto& [name, count] : kinds) {
    text += (text.empty() ? "" : " and ") + std::to_string(count) + " x " + name;
  }
  return text;
}

double smallest_gpu_memory(const std::vector<Host>& hosts) {
  double least = 0;
  for (const Host& host : hosts) {
    for (const Gpu& gpu : host.gpus) {
      least = least == 0 ? gpu.memory_bytes : std::min(least, gpu.memory_bytes);
    }
  }
  return least;
}

/// A rank has a GPU in place of cores.
void describe_gpus(Machine& machine) {
  machine.device = machine.hosts.front().gpus.front().name;
  machine.memory_per_rank_bytes = smallest_gpu_memory(machine.hosts);
  machine.max_ranks = 0;
  for (const Host& host : machine.hosts) machine.max_ranks += static_cast<int>(host.gpus.size());
}

}  // namespace

Placement RankMap::placement(int world_size) const {
  std::map<std::string, int> counts;
  for (int r = 0; r < world_size; ++r) ++counts[hosts[r]];
  std::vector<int> per_node;
  for (const auto& [host, count] : counts) per_node.push_back(count);
  std::sort(per_node.rbegin(), per_node.rend());
  return Placement(per_node);
}

RankMap map_ranks(Communicator& world, const std::string& hostname) {
  RankMap map;
  map.hosts = world.all_gather(hostname);
  map.local_ranks = static_cast<int>(std::count(map.hosts.begin(), map.hosts.end(), hostname));
  map.local_rank =
      static_cast<int>(std::count(map.hosts.begin(), map.hosts.begin() + world.rank(), hostname));
  world.set_node(static_cast<int>(std::find(map.hosts.begin(), map.hosts.end(), hostname) -
                                  map.hosts.begin()));
  return map;
}

bool take_cores(Communicator& world, const RankMap& map, const Topology& topology, int threads,
                bool allow_sharing) {
  const std::string& host = map.hosts[world.rank()];
  // A launcher's own binding is kept where it gives every rank of the host cores of its own.
  const std::vector<std::string> masks = world.all_gather(join(current_affinity()));
  std::set<int> taken;
  bool disjoint = true;
  for (int r = 0; r < world.size(); ++r) {
    if (map.hosts[r] != host) continue;
    const std::vector<int> cpus = split(masks[r]);
    disjoint &= static_cast<int>(cpus.size()) >= threads;
    for (const int cpu : cpus) disjoint &= taken.insert(cpu).second;
  }
  const auto cores = static_cast<int>(topology.core_cpus.size());
  const bool sharing = !disjoint && map.local_ranks * threads > cores;
  if (!disjoint || map.local_ranks == 1) {
    std::vector<int> mine;
    for (int t = 0; t < threads; ++t) {
      mine.push_back(topology.core_cpus[(map.local_rank * threads + t) % cores]);
    }
    pin_to(mine);
  }
  const std::vector<std::string> all = world.all_gather(sharing ? "1" : "0");
  const auto worst = std::find(all.begin(), all.end(), "1");
  if (worst != all.end() && !allow_sharing) {
    throw UsageError("host " + map.hosts[worst - all.begin()] + " has " + std::to_string(cores) +
                     " cores for " + std::to_string(map.local_ranks) + " ranks x " +
                     std::to_string(threads) +
                     " threads; start fewer, or add --oversubscribe (function only: such times "
                     "predict nothing)");
  }
  return worst != all.end();
}

std::vector<std::vector<int>> cpus_of_ranks(Communicator& world) {
  std::vector<std::vector<int>> cpus;
  for (const std::string& text : world.all_gather(join(current_affinity()))) {
    cpus.push_back(split(text));
  }
  return cpus;
}

std::string fingerprint(const std::vector<Host>& hosts, int threads_per_rank,
                        const std::string& label, const std::string& device) {
  std::map<std::string, int> kinds;
  for (const Host& host : hosts) {
    ++kinds[host.processor + " with " + std::to_string(host.cores) +
            (host.cores == 1 ? " core" : " cores") +
            (device == "cpu" ? "" : " and " + gpu_kinds(host))];
  }
  std::string text = device;
  for (const auto& [kind, count] : kinds) text += "; " + std::to_string(count) + " x " + kind;
  text += "; " + std::to_string(threads_per_rank) +
          (threads_per_rank == 1 ? " thread per rank" : " threads per rank");
  return label.empty() ? text : text + "; " + label;
}

LoadedBlas find_blas(const std::string& maps) {
  struct Known {
    const char *sign, *name;
    bool fast;
  };
  // Debian routes libblas.so.3 by alternatives: the folder tells which one is behind it.
  static constexpr Known kKnown[] = {
      {"libmkl_", "MKL", true},
      {"openblas", "OpenBLAS", true},
      {"libblis", "BLIS", true},
      {"/blis", "BLIS", true},
      {"atlas/", "ATLAS", false},
      {"libatlas", "ATLAS", false},
      {"/blas/libblas", "reference BLAS", false},
      {"libblas.so", "reference BLAS", false},
  };
  for (const Known& known : kKnown) {
    std::istringstream lines(maps);
    for (std::string line; std::getline(lines, line);) {
      const size_t path = line.find('/');
      if (path == std::string::npos || line.find(known.sign, path) == std::string::npos) continue;
      LoadedBlas blas{known.name, line.substr(path), ""};
      if (!known.fast) {
        blas.warning = blas.name + " is in use for matrix products (" + blas.path +
                       "): several times slower than OpenBLAS; install libopenblas0-pthread, "
                       "then measure again into a new store";
      }
      return blas;
    }
  }
  return {"unknown", "", ""};
}

void add_gpus(Host& host, const GpuInventory& inventory) {
  host.gpus = inventory.gpus;
  host.nics = inventory.nics;
}

Machine describe_machine(Communicator& world, const RankMap& map, const MachineInputs& inputs) {
  std::map<std::string, Host> hosts;
  std::map<std::string, double> limits;
  for (const std::string& text : world.all_gather(host_json(inputs.topology).dump())) {
    const Json document = Json::parse(text);
    const Host host = read_host(JsonReader(document, "host: "));
    const auto known = hosts.emplace(host.hostname, host).first;
    merge_gpus(known->second.gpus, host.gpus);
    limits[host.hostname] = document.at("limit");
  }
  Machine machine;
  machine.device = "cpu";
  machine.threads_per_rank = inputs.threads_per_rank;
  machine.label = inputs.label;
  machine.launch_line = inputs.launch_line;
  machine.clock = kClockName;
  for (const auto& [name, h] : hosts) {
    machine.hosts.push_back(h);
    const int ranks = std::max(1, h.cores / inputs.threads_per_rank);
    const double share = kUsableMemory * limits.at(name) /
                         std::max<int>(ranks, std::count(map.hosts.begin(), map.hosts.end(), name));
    machine.max_ranks += ranks;
    machine.memory_per_rank_bytes =
        machine.memory_per_rank_bytes == 0 ? share : std::min(machine.memory_per_rank_bytes, share);
  }
  if (inputs.device == "cuda") describe_gpus(machine);
  if (inputs.memory_per_rank_bytes > 0)
    machine.memory_per_rank_bytes = inputs.memory_per_rank_bytes;
  machine.fingerprint =
      fingerprint(machine.hosts, inputs.threads_per_rank, inputs.label, inputs.device);
  const LoadedBlas blas = find_blas(whole_file("/proc/self/maps"));
  machine.libraries = {{"libtorch", inputs.torch},
                       {"mpi", inputs.mpi},
                       {"blas", blas.name + (blas.path.empty() ? "" : " (" + blas.path + ")")},
                       {"compute", inputs.compute_settings}};
  if (inputs.device == "cuda") {
    machine.libraries["driver"] = local_gpus().driver;
    const std::string& unknown = local_gpus().unknown;
    if (!unknown.empty()) machine.libraries["nvml"] = "not known: " + unknown;
  }
  return machine;
}

Machine grown(const Machine& before, Machine now) {
  now.max_ranks = std::max(before.max_ranks, now.max_ranks);
  for (const Host& host : before.hosts) {
    const auto same = [&](const Host& known) { return known.hostname == host.hostname; };
    if (std::ranges::none_of(now.hosts, same)) now.hosts.push_back(host);
  }
  return now;
}

void require_same_machine(const std::filesystem::path& path, const Machine& theirs,
                          const Machine& ours) {
  if (same_machine(theirs, ours)) return;
  throw Error(path.string() + ": was measured on another machine (" + theirs.fingerprint +
              "; this one is " + ours.fingerprint +
              "); nothing was changed. Name another store with --store DIR");
}

}  // namespace forerun
