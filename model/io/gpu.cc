#include "model/io/gpu.h"

#include <algorithm>
#include <utility>

namespace forerun {
namespace {

std::vector<std::string> texts(const JsonReader& in, const std::string& key) {
  std::vector<std::string> values;
  if (!in.has(key)) return values;
  for (const JsonReader& item : in.at(key).items()) values.push_back(item.text());
  return values;
}

constexpr std::pair<const char*, std::optional<double> GpuConditions::*> kMemoryParts[] = {
    {"allocated_bytes", &GpuConditions::allocated_bytes},
    {"reserved_bytes", &GpuConditions::reserved_bytes},
    {"library_bytes", &GpuConditions::library_bytes},
    {"nccl_bytes", &GpuConditions::nccl_bytes},
    {"free_at_start_bytes", &GpuConditions::free_at_start_bytes},
};

void merge(std::vector<std::string>& into, const std::vector<std::string>& more) {
  for (const std::string& one : more) {
    if (std::ranges::find(into, one) == into.end()) into.push_back(one);
  }
}

}  // namespace

void GpuConditions::add(const GpuConditions& later) {
  for (const auto& [key, bytes] : kMemoryParts) {
    if (later.*bytes) this->*bytes = std::max((this->*bytes).value_or(0), *(later.*bytes));
  }
  if (later.sm_clock_high_hz > 0) {
    sm_clock_low_hz = sm_clock_high_hz > 0 ? std::min(sm_clock_low_hz, later.sm_clock_low_hz)
                                           : later.sm_clock_low_hz;
    sm_clock_high_hz = std::max(sm_clock_high_hz, later.sm_clock_high_hz);
  }
  temperature_high_c = std::max(temperature_high_c, later.temperature_high_c);
  energy_j += later.energy_j;
  seconds += later.seconds;
  steps += later.steps;
  merge(throttled, later.throttled);
  merge(other_processes, later.other_processes);
}

Json to_json(const Gpu& gpu) {
  Json out = {{"name", gpu.name},
              {"uuid", gpu.uuid},
              {"pci", gpu.pci},
              {"compute_capability", gpu.compute_capability},
              {"memory_bytes", gpu.memory_bytes}};
  if (gpu.sm_clock_max_hz) out["sm_clock_max_hz"] = *gpu.sm_clock_max_hz;
  if (gpu.power_limit_w) out["power_limit_w"] = *gpu.power_limit_w;
  if (gpu.numa_node >= 0) out["numa_node"] = gpu.numa_node;
  if (!gpu.cpus.empty()) out["cpus"] = gpu.cpus;
  if (gpu.mig) out["mig"] = true;
  if (!gpu.nic.empty()) {
    out["nic"] = gpu.nic;
    out["nic_link"] = gpu.nic_link;
  }
  out["links"] = gpu.links;
  return out;
}

Gpu read_gpu(const JsonReader& in) {
  Gpu gpu;
  gpu.name = in.at("name").text();
  gpu.uuid = in.text_or("uuid", "");
  gpu.pci = in.text_or("pci", "");
  gpu.compute_capability = in.text_or("compute_capability", "");
  gpu.memory_bytes = in.at("memory_bytes").non_negative();
  gpu.sm_clock_max_hz = in.optional_number("sm_clock_max_hz");
  gpu.power_limit_w = in.optional_number("power_limit_w");
  gpu.numa_node = static_cast<int>(in.number_or("numa_node", -1));
  gpu.cpus = in.text_or("cpus", "");
  gpu.mig = in.has("mig") && in.at("mig").boolean();
  gpu.nic = in.text_or("nic", "");
  gpu.nic_link = in.text_or("nic_link", "");
  gpu.links = texts(in, "links");
  return gpu;
}

Json to_json(const Nic& nic) {
  Json out = {{"name", nic.name}, {"pci", nic.pci}};
  if (nic.numa_node >= 0) out["numa_node"] = nic.numa_node;
  if (nic.rate_Bps) out["rate_bytes_per_s"] = *nic.rate_Bps;
  return out;
}

Nic read_nic(const JsonReader& in) {
  return {in.at("name").text(), in.text_or("pci", ""),
          static_cast<int>(in.number_or("numa_node", -1)), in.optional_number("rate_bytes_per_s")};
}

Json to_json(const GpuConditions& c) {
  Json out = {{"rank", c.rank}, {"steps", c.steps}, {"seconds", c.seconds}};
  if (c.sm_clock_high_hz > 0) {
    out["sm_clock_low_hz"] = c.sm_clock_low_hz;
    out["sm_clock_high_hz"] = c.sm_clock_high_hz;
  }
  if (c.temperature_high_c > 0) out["temperature_high_c"] = c.temperature_high_c;
  if (c.energy_j > 0) out["energy_j"] = c.energy_j;
  if (c.energy_j > 0 && c.steps > 0) out["energy_per_step_j"] = c.energy_j / c.steps;
  for (const auto& [key, bytes] : kMemoryParts) {
    if (c.*bytes) out[key] = *(c.*bytes);
  }
  if (!c.throttled.empty()) out["throttled"] = c.throttled;
  if (!c.other_processes.empty()) out["other_processes"] = c.other_processes;
  return out;
}

GpuConditions read_gpu_conditions(const JsonReader& in) {
  GpuConditions c;
  c.rank = static_cast<int>(in.at("rank").whole(0));
  c.steps = static_cast<int>(in.at("steps").whole(0));
  c.seconds = in.at("seconds").non_negative();
  c.sm_clock_low_hz = in.number_or("sm_clock_low_hz", 0);
  c.sm_clock_high_hz = in.number_or("sm_clock_high_hz", 0);
  c.temperature_high_c = in.number_or("temperature_high_c", 0);
  c.energy_j = in.number_or("energy_j", 0);
  for (const auto& [key, bytes] : kMemoryParts) c.*bytes = in.optional_number(key);
  c.throttled = texts(in, "throttled");
  c.other_processes = texts(in, "other_processes");
  return c;
}

}  // namespace forerun
