#include "measure/gpu/devices_table.h"

#include <cstdio>
#include <map>
#include <ostream>

#include "measure/gpu/links.h"
#include "measure/gpu/processes.h"
#include "model/io/command_line.h"

namespace forerun {
namespace {

/// One GPU at this moment.
struct GpuState {
  GpuReading reading;
  std::vector<std::string> processes;
  bool persistent = false;
};

/// By PCI address: the order of the driver need not be that of the inventory.
std::map<std::string, GpuState> read_states() {
  std::map<std::string, GpuState> states;
  const NvmlOpening opening = Nvml::open();
  if (opening.nvml == nullptr) return states;
  for (int i = 0; i < opening.nvml->count(); ++i) {
    GpuState& state = states[opening.nvml->pci(i)];
    state.reading = opening.nvml->read(i);
    state.persistent = opening.nvml->persistent(i);
    for (const GpuProcess& process : opening.nvml->processes(i)) {
      state.processes.push_back(describe(process));
    }
  }
  return states;
}

template <class... Values>
std::string formatted(const char* format, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

std::string whole(const std::optional<double>& value, double unit) {
  return value ? formatted("%.0f", *value / unit) : "-";
}

std::string bytes(const std::optional<double>& value) {
  return value ? format_bytes(Bytes<>(*value)) : "-";
}

std::string joined(const std::vector<std::string>& words, const std::string& if_none) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? if_none : text;
}

std::string node_text(int node) { return node < 0 ? "-" : std::to_string(node); }

std::string rate_text(const Nic& nic) {
  return nic.rate_Bps ? formatted("%g Gbit/s", *nic.rate_Bps * 8 / 1e9) : "rate unknown";
}

void print_gpus(std::ostream& out, const GpuInventory& inventory) {
  const std::map<std::string, GpuState> states = read_states();
  out << "\nGPU  name                       PCI           memory     free       MHz now/most  "
         "W now/limit  deg C  NUMA  NIC\n";
  for (size_t i = 0; i < inventory.gpus.size(); ++i) {
    const Gpu& gpu = inventory.gpus[i];
    const auto found = states.find(gpu.pci);
    const GpuState state = found == states.end() ? GpuState{} : found->second;
    const GpuReading& now = state.reading;
    const std::string nic = gpu.nic.empty() ? "-" : gpu.nic + " (" + gpu.nic_link + ")";
    out << formatted("%-3zu  %-25s  %-12s  %-9s  %-9s  %5s/%-5s   %5s/%-5s  %5s  %4s  %s\n", i,
                     gpu.name.c_str(), gpu.pci.c_str(), bytes(gpu.memory_bytes).c_str(),
                     bytes(now.memory_free_bytes).c_str(), whole(now.sm_clock_hz, 1e6).c_str(),
                     whole(gpu.sm_clock_max_hz, 1e6).c_str(), whole(now.power_w, 1).c_str(),
                     whole(gpu.power_limit_w, 1).c_str(), whole(now.temperature_c, 1).c_str(),
                     node_text(gpu.numa_node).c_str(), nic.c_str());
    const std::vector<std::string> slowed = throttle_reasons(now.throttle);
    if (!slowed.empty()) out << "     slowed by " << joined(slowed, "") << "\n";
    if (!state.processes.empty()) out << "     used by " << joined(state.processes, "") << "\n";
    if (gpu.mig) out << "     cut into instances (MIG)\n";
    if (found != states.end() && !state.persistent)
      out << "     persistence mode is off: programs start slowly\n";
  }
}

void print_matrix(std::ostream& out, const GpuInventory& inventory) {
  if (inventory.gpus.size() < 2) return;
  out << "\n      ";
  for (size_t i = 0; i < inventory.gpus.size(); ++i) out << formatted("GPU%-4zu", i);
  out << "near CPUs\n";
  for (size_t i = 0; i < inventory.gpus.size(); ++i) {
    const Gpu& gpu = inventory.gpus[i];
    out << formatted("GPU%-3zu", i);
    for (const std::string& link : gpu.links) {
      out << formatted("%-7s", link.empty() ? "?" : link.c_str());
    }
    out << (gpu.cpus.empty() ? "-" : gpu.cpus) << "\n";
  }
  out << "NV#: so many NVLinks; PIX: one PCIe switch; PXB: several; PHB: a host bridge; NODE: host "
         "bridges of a\nNUMA node; SYS: between NUMA nodes\n";
}

Json devices_json(const Topology& topology, const GpuInventory& inventory, bool built_with_cuda) {
  Json out = {{"host", to_json(topology.host)}, {"cuda_build", built_with_cuda}};
  out["gpus"] = Json::array();
  const std::map<std::string, GpuState> states = read_states();
  for (const Gpu& gpu : inventory.gpus) {
    Json one = to_json(gpu);
    if (const auto found = states.find(gpu.pci); found != states.end()) {
      const GpuReading& now = found->second.reading;
      if (now.memory_free_bytes) one["memory_free_bytes"] = *now.memory_free_bytes;
      if (now.sm_clock_hz) one["sm_clock_hz"] = *now.sm_clock_hz;
      if (now.power_w) one["power_w"] = *now.power_w;
      if (now.temperature_c) one["temperature_c"] = *now.temperature_c;
      one["throttled"] = throttle_reasons(now.throttle);
      one["processes"] = found->second.processes;
      one["persistence"] = found->second.persistent;
    }
    out["gpus"].push_back(std::move(one));
  }
  if (!inventory.driver.empty()) out["driver"] = inventory.driver;
  if (!inventory.problem.empty()) out["no_gpu"] = inventory.problem;
  if (!inventory.unknown.empty()) out["not_known"] = inventory.unknown;
  out["nics"] = Json::array();
  for (const Nic& nic : inventory.nics) out["nics"].push_back(to_json(nic));
  return out;
}

}  // namespace

void print_devices(std::ostream& out, const Topology& topology, const GpuInventory& inventory,
                   bool built_with_cuda, bool json) {
  if (json) {
    out << json_text(devices_json(topology, inventory, built_with_cuda));
    return;
  }
  const Host& host = topology.host;
  out << "CPUs: " << host.processor << ", " << host.cores << (host.cores == 1 ? " core" : " cores")
      << " for us, " << host.numa_nodes << (host.numa_nodes == 1 ? " NUMA node, " : " NUMA nodes, ")
      << format_bytes(Bytes<>(topology.memory_limit_bytes)) << " of memory\n";
  if (inventory.gpus.empty()) {
    out << "no GPU: " << inventory.problem << "\n";
  } else {
    out << "GPUs: " << inventory.gpus.size() << ", driver " << inventory.driver << "\n";
    print_gpus(out, inventory);
    print_matrix(out, inventory);
    if (!inventory.unknown.empty()) out << "not known: " << inventory.unknown << "\n";
    const std::string unused = unused_gpus(built_with_cuda, inventory);
    if (!unused.empty()) out << "\n" << unused << "\n";
  }
  for (const Nic& nic : inventory.nics) {
    out << "NIC " << nic.name << ": " << rate_text(nic)
        << (nic.pci.empty() ? "" : ", PCI " + nic.pci) << ", NUMA node " << node_text(nic.numa_node)
        << "\n";
  }
  if (inventory.nics.empty()) out << "no NIC that hwloc can see\n";
}

}  // namespace forerun
