#include "measure/launch/topology.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "measure/launch/hwloc_topology.h"
#include "model/error.h"

namespace forerun {
namespace {

/// First word of a file as a number, if it is one.
std::optional<double> number_in(const std::string& path) {
  std::ifstream in(path);
  double value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

/// Our folder in a cgroup hierarchy: of `controller` in version 1, "" is version 2.
std::string cgroup_folder(const std::string& controller) {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool match =
        controller.empty() ? names == ",," : names.find("," + controller + ",") != names.npos;
    if (match) return line.substr(second + 1);
  }
  return "";
}

/// The file in our cgroup, or, as containers show it, at the root of the mount.
std::optional<double> cgroup_number(const std::string& mount, const std::string& folder,
                                    const std::string& file) {
  const auto own = number_in(mount + folder + "/" + file);
  return own ? own : number_in(mount + "/" + file);
}

/// CPUs' worth of time that the cgroup allows: infinity if it does not say.
double cgroup_cpus() {
  for (const std::string& folder : {cgroup_folder(""), std::string()}) {
    std::ifstream in("/sys/fs/cgroup" + folder + "/cpu.max");
    double quota = 0, period = 0;
    if (in >> quota >> period && period > 0) return quota / period;
  }
  const std::string folder = cgroup_folder("cpu");
  const auto quota = cgroup_number("/sys/fs/cgroup/cpu", folder, "cpu.cfs_quota_us");
  const auto period = cgroup_number("/sys/fs/cgroup/cpu", folder, "cpu.cfs_period_us");
  return quota && period && *quota > 0 && *period > 0 ? *quota / *period : INFINITY;
}

double memory_limit(double physical) {
  const auto v2 = cgroup_number("/sys/fs/cgroup", cgroup_folder(""), "memory.max");
  const auto v1 =
      cgroup_number("/sys/fs/cgroup/memory", cgroup_folder("memory"), "memory.limit_in_bytes");
  return std::min({physical, v2.value_or(physical), v1.value_or(physical)});
}

std::string processor_name(hwloc_topology_t topology) {
  const hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
  const char* name = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : nullptr;
  if (name == nullptr) return "unknown processor";
  std::istringstream words(name);  // vendors pad with blanks
  std::string joined;
  for (std::string word; words >> word;) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

double last_level_cache(hwloc_topology_t topology) {
  for (const hwloc_obj_type_t type : {HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L1CACHE}) {
    const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
    if (cache != nullptr) return static_cast<double>(cache->attr->cache.size);
  }
  return 0;
}

std::vector<int> first_cpu_of_each_core(hwloc_topology_t topology, Affinity affinity) {
  std::vector<int> cpus;
  const int cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
  const hwloc_obj_type_t type = cores > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
  const std::vector<int> mask = current_affinity();
  const auto usable = [&](unsigned cpu) {
    return affinity == Affinity::kIgnored ||
           std::find(mask.begin(), mask.end(), static_cast<int>(cpu)) != mask.end();
  };
  for (int i = 0; i < hwloc_get_nbobjs_by_type(topology, type); ++i) {
    const hwloc_obj_t core = hwloc_get_obj_by_type(topology, type, i);
    unsigned cpu;
    hwloc_bitmap_foreach_begin(cpu, core->cpuset) {
      if (usable(cpu)) {
        cpus.push_back(static_cast<int>(cpu));
        break;
      }
    }
    hwloc_bitmap_foreach_end();
  }
  return cpus;
}

/// As many as an emulated host has, from those of the machine in turn.
std::vector<int> shared_cpus(const std::vector<int>& machine, int cores) {
  std::vector<int> cpus;
  for (int i = 0; i < cores; ++i) cpus.push_back(machine[i % machine.size()]);
  return cpus;
}

}  // namespace

std::optional<EmulatedHost> emulated_host() {
  const char* description = std::getenv("FORERUN_EMULATED");
  if (description == nullptr || *description == '\0') return std::nullopt;
  const char* cores = std::getenv("FORERUN_EMULATED_CORES");
  EmulatedHost host{description, cores == nullptr ? 1 : std::atoi(cores)};
  if (host.cores < 1) throw Error("FORERUN_EMULATED_CORES must be a whole number >= 1");
  return host;
}

Topology read_topology(Affinity affinity) {
  const HwlocTopology hwloc = load_hwloc();
  Topology topology;
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  topology.host.hostname = name;
  topology.host.processor = processor_name(hwloc.get());
  topology.host.numa_nodes = std::max(1, hwloc_get_nbobjs_by_type(hwloc.get(), HWLOC_OBJ_NUMANODE));
  topology.host.last_level_cache_bytes = last_level_cache(hwloc.get());
  topology.host.memory_bytes =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  topology.memory_limit_bytes = memory_limit(topology.host.memory_bytes);
  topology.core_cpus = first_cpu_of_each_core(hwloc.get(), affinity);
  const double quota = std::max(1.0, std::floor(cgroup_cpus() + 0.01));
  if (topology.core_cpus.size() > quota) topology.core_cpus.resize(static_cast<size_t>(quota));
  if (topology.core_cpus.empty()) throw Error("no processor core is allowed to this process");
  if (const auto emulated = emulated_host()) {
    topology.core_cpus = shared_cpus(topology.core_cpus, emulated->cores);
  }
  topology.host.cores = static_cast<int>(topology.core_cpus.size());
  return topology;
}

std::vector<int> current_affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) {
    throw Error(std::string("sched_getaffinity failed (") + std::strerror(errno) + ")");
  }
  std::vector<int> cpus;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) cpus.push_back(i);
  }
  return cpus;
}

void pin_to(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::string names;
  for (const int cpu : cpus) {
    CPU_SET(cpu, &set);
    names += (names.empty() ? "" : ",") + std::to_string(cpu);
  }
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    throw Error("cannot pin to CPU " + names + " (" + std::strerror(errno) + ")");
  }
}

}  // namespace forerun
