// GPUs as the files tell of them: what a host has, and how they fared while something was measured.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/io/json_reader.h"

namespace forerun {

/// One GPU of a host. Links are in the words of `nvidia-smi topo -m`: `X` itself, `NV18` so many
/// NVLinks, `PIX` one PCIe switch, `PXB` several, `PHB` a host bridge, `NODE` between host bridges
/// of a NUMA node, `SYS` between NUMA nodes.
struct Gpu {
  std::string name, uuid;
  std::string pci;                 ///< `0000:1b:00.0`
  std::string compute_capability;  ///< `9.0`
  double memory_bytes = 0;
  std::optional<double> sm_clock_max_hz, power_limit_w;
  int numa_node = -1;              ///< -1: unknown
  std::string cpus;                ///< near it: `0-15,32-47`
  bool mig = false;                ///< cut into instances: this is one of them
  std::string nic, nic_link;       ///< the nearest
  std::vector<std::string> links;  ///< to each GPU of the host, in their order
};

/// A network adapter of a host.
struct Nic {
  std::string name;  ///< `mlx5_0`, `eth0`
  std::string pci;
  int numa_node = -1;              ///< -1: unknown
  std::optional<double> rate_Bps;  ///< bytes/s one way
};

/// One rank's GPU while a configuration trained.
struct GpuConditions {
  int rank = 0;
  double sm_clock_low_hz = 0, sm_clock_high_hz = 0;  ///< 0: unknown
  double temperature_high_c = 0;                     ///< 0: unknown
  double energy_j = 0;  ///< of the GPU, over `steps` steps; 0: it does not count
  double seconds = 0;   ///< that those steps took
  int steps = 0;
  /// What the peak of memory is made of: tensors; what LibTorch held for them; what NCCL, cuBLAS
  /// and others took beside it, and NCCL of that. And what was free before any of it.
  std::optional<double> allocated_bytes, reserved_bytes, library_bytes, nccl_bytes;
  std::optional<double> free_at_start_bytes;
  std::vector<std::string> throttled;        ///< reasons that were seen, in words
  std::vector<std::string> other_processes;  ///< that computed on it, too

  /// This, and what was seen later.
  void add(const GpuConditions& later);
};

Json to_json(const Gpu& gpu);
Gpu read_gpu(const JsonReader& in);
Json to_json(const Nic& nic);
Nic read_nic(const JsonReader& in);
Json to_json(const GpuConditions& conditions);
GpuConditions read_gpu_conditions(const JsonReader& in);

}  // namespace forerun
