// What lies between the GPUs of a host, and between them and its network: PCIe by hwloc, NVLink by
// NVML.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "measure/gpu/nvml.h"
#include "model/io/gpu.h"

namespace forerun {

/// PCIe as hwloc sees it. Devices are named by their address, `0000:1b:00.0`.
class PciTree {
 public:
  /// Of this machine, or of hwloc's XML. Throws Error if hwloc cannot read it.
  explicit PciTree(const std::string& xml = "");
  ~PciTree();
  PciTree(const PciTree&) = delete;
  PciTree& operator=(const PciTree&) = delete;

  bool knows(const std::string& pci) const;
  /// In the words of Gpu; empty where hwloc does not know one of them.
  std::string link(const std::string& one, const std::string& other) const;
  /// -1: unknown.
  int numa_node(const std::string& pci) const;
  /// Network adapters by address, with their rates as `sys` tells them.
  std::vector<Nic> nics(const std::filesystem::path& sys = "/sys") const;

 private:
  struct Objects;
  std::unique_ptr<Objects> objects_;
};

/// Bytes/s of a network device: of an InfiniBand one the port that is fastest, of another one what
/// the link negotiated. nullopt where the system does not say.
std::optional<double> nic_rate(const std::filesystem::path& sys, const std::string& name);

/// `NV18` for the NVLinks that two GPUs share, directly or through switches; empty for none.
std::string nvlink_name(const Gpu& one, const std::vector<NvLink>& links_of_one, const Gpu& other,
                        const std::vector<NvLink>& links_of_other);

/// Gives each its NUMA node, its nearest NIC (of equally near ones the fastest), and its links to
/// all; without `nvml` (nullptr), or where it does not have a GPU, those of PCIe.
void place_gpus(std::vector<Gpu>& gpus, const Nvml* nvml, const PciTree& tree,
                const std::vector<Nic>& nics);

/// The nearest of some links, in the words of Gpu, comes first; unknown ones last.
int link_distance(const std::string& link);

}  // namespace forerun
