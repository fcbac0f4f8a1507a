// NVIDIA's management library (NVML), opened at run time: the same program starts where there is no
// driver. What a GPU or its driver does not tell is absent, never an error.
// Source of names, types and values: NVML API Reference Guide, vR590,
// docs.nvidia.com/deploy/nvml-api.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/io/gpu.h"

namespace forerun {

/// How a GPU is at a moment.
struct GpuReading {
  std::optional<double> sm_clock_hz, temperature_c, power_w, energy_j;  ///< energy: ever since
  std::optional<double> memory_free_bytes;
  uint64_t throttle = 0;  ///< bits, see throttle_reasons()
};

struct GpuProcess {
  int pid = 0;
  double memory_bytes = 0;  ///< 0: unknown
  std::string name;         ///< path of the program; empty where the system does not tell
};

/// One active NVLink.
struct NvLink {
  std::string remote_pci;  ///< of a GPU or a switch
  bool to_switch = false;
};

/// How near two GPUs are on PCIe: nvmlGpuTopologyLevel_t as `nvidia-smi topo -m` writes it.
/// Empty for a level that does not exist.
std::string pci_level_name(int level);

/// In words, what keeps clocks below their best: nvmlClocksEventReasons. Idle and clocks that were
/// asked for are no throttling.
std::vector<std::string> throttle_reasons(uint64_t bits);

/// `00000000:1B:00.0` and `0000:1b:00.0` to the latter, as Linux and hwloc write it.
std::string normalized_pci(std::string address);

class Nvml;
/// Either.
struct NvmlOpening {
  std::unique_ptr<Nvml> nvml;
  std::string problem;  ///< `not found (libnvidia-ml.so.1: ...)`
};

class Nvml {
 public:
  static constexpr char kLibrary[] = "libnvidia-ml.so.1";
  static NvmlOpening open(const std::string& library = kLibrary);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  std::string driver_version() const;

  /// GPUs in the order of the library, which is that of PCI addresses.
  int count() const { return static_cast<int>(devices_.size()); }
  std::string pci(int gpu) const;
  /// The GPU at a PCI address; -1: not here.
  int find(const std::string& pci_address) const;
  /// Without what is known of the host's PCIe only: numa_node, nic, links.
  Gpu describe(int gpu) const;
  bool persistent(int gpu) const;  ///< the driver stays loaded between programs
  GpuReading read(int gpu) const;
  std::vector<GpuProcess> processes(int gpu) const;
  std::vector<NvLink> nvlinks(int gpu) const;
  /// See pci_level_name().
  std::optional<int> common_ancestor(int one, int other) const;

 private:
  explicit Nvml(void* library) : library_(library) {}

  /// nvmlReturn_t of the first of `names` that the library has.
  template <class... Arguments>
  int call(std::initializer_list<const char*> names, Arguments... arguments) const;
  /// The one number that a function of a GPU gives, if it gives one.
  template <class Number>
  std::optional<double> number(const char* name, int gpu, double unit) const;
  std::string text(const char* name, void* device) const;
  std::string error_text(int code) const;
  std::string find_devices();

  void* library_;
  bool ready_ = false;
  std::vector<void*> devices_;  // nvmlDevice_t
};

}  // namespace forerun
