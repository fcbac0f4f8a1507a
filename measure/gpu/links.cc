#include "measure/gpu/links.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>

#include "measure/launch/hwloc_topology.h"

namespace forerun {
namespace {

using Chain = std::vector<hwloc_obj_t>;

std::string address_of(hwloc_obj_t device) {
  const auto& pci = device->attr->pcidev;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04x:%02x:%02x.%01x", unsigned{pci.domain},
                unsigned{pci.bus}, unsigned{pci.dev}, unsigned{pci.func});
  return text.data();
}

/// From an object up to the root.
Chain ancestors(hwloc_obj_t object) {
  Chain chain;
  for (; object != nullptr; object = object->parent) chain.push_back(object);
  return chain;
}

bool is_host_bridge(hwloc_obj_t object) {
  return object->type == HWLOC_OBJ_BRIDGE &&
         object->attr->bridge.upstream_type == HWLOC_OBJ_BRIDGE_HOST;
}

/// The only NUMA node of what an I/O object hangs on, or -1.
int only_node(hwloc_topology_t topology, hwloc_obj_t object) {
  const hwloc_obj_t near = hwloc_get_non_io_ancestor_obj(topology, object);
  if (near == nullptr || near->nodeset == nullptr) return -1;
  return hwloc_bitmap_weight(near->nodeset) == 1 ? hwloc_bitmap_first(near->nodeset) : -1;
}

std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    names.insert(entry.path().filename());
  }
  return names;
}

}  // namespace

struct PciTree::Objects {
  HwlocTopology topology;
  std::map<std::string, hwloc_obj_t> devices;  // by address

  hwloc_obj_t find(const std::string& pci) const {
    const auto found = devices.find(pci);
    return found == devices.end() ? nullptr : found->second;
  }
};

PciTree::PciTree(const std::string& xml)
    : objects_(std::make_unique<Objects>(Objects{load_hwloc(IoObjects::kKept, xml), {}})) {
  hwloc_obj_t device = nullptr;
  while ((device = hwloc_get_next_pcidev(objects_->topology.get(), device)) != nullptr) {
    objects_->devices[address_of(device)] = device;
  }
}

PciTree::~PciTree() = default;

bool PciTree::knows(const std::string& pci) const { return objects_->find(pci) != nullptr; }

std::string PciTree::link(const std::string& one, const std::string& other) const {
  const hwloc_obj_t a = objects_->find(one), b = objects_->find(other);
  if (a == nullptr || b == nullptr) return "";
  if (a == b) return "X";
  Chain up_a = ancestors(a), up_b = ancestors(b);
  hwloc_obj_t common = nullptr;
  while (!up_a.empty() && !up_b.empty() && up_a.back() == up_b.back()) {
    common = up_a.back();
    up_a.pop_back();
    up_b.pop_back();
  }
  if (is_host_bridge(common)) return "PHB";
  // Left in each chain: the device, and the bridges on its way. A switch has one below its top.
  if (common->type == HWLOC_OBJ_BRIDGE) return up_a.size() <= 2 && up_b.size() <= 2 ? "PIX" : "PXB";
  const int node = numa_node(one);
  return node >= 0 && node == numa_node(other) ? "NODE" : "SYS";
}

int PciTree::numa_node(const std::string& pci) const {
  const hwloc_obj_t device = objects_->find(pci);
  return device == nullptr ? -1 : only_node(objects_->topology.get(), device);
}

std::vector<Nic> PciTree::nics(const std::filesystem::path& sys) const {
  std::map<std::string, Nic> by_address;
  hwloc_obj_t object = nullptr;
  while ((object = hwloc_get_next_osdev(objects_->topology.get(), object)) != nullptr) {
    const auto type = object->attr->osdev.type;
    if (type != HWLOC_OBJ_OSDEV_NETWORK && type != HWLOC_OBJ_OSDEV_OPENFABRICS) continue;
    const hwloc_obj_t device = object->parent;
    const bool on_pci = device != nullptr && device->type == HWLOC_OBJ_PCI_DEVICE;
    const std::string pci = on_pci ? address_of(device) : "";
    Nic& nic = by_address[on_pci ? pci : object->name];
    // An adapter shows as a network device, too: collectives use its InfiniBand one.
    if (nic.name.empty() || type == HWLOC_OBJ_OSDEV_OPENFABRICS) nic.name = object->name;
    nic.pci = pci;
    nic.numa_node = only_node(objects_->topology.get(), object);
    if (const auto rate = nic_rate(sys, object->name)) {
      nic.rate_Bps = std::max(nic.rate_Bps.value_or(0), *rate);
    }
  }
  std::vector<Nic> nics;
  for (auto& [address, nic] : by_address) nics.push_back(std::move(nic));
  return nics;
}

std::optional<double> nic_rate(const std::filesystem::path& sys, const std::string& name) {
  constexpr double kMegabit = 1e6 / 8, kGigabit = 1e9 / 8;
  std::optional<double> rate;
  double value = 0;
  const std::filesystem::path ports = sys / "class/infiniband" / name / "ports";
  for (const std::string& port : names_in(ports)) {
    std::ifstream in(ports / port / "rate");  // `400 Gb/sec (4X NDR)`
    if (in >> value && value > 0) rate = std::max(rate.value_or(0), value * kGigabit);
  }
  std::ifstream in(sys / "class/net" / name / "speed");  // Mbit/s; -1 or an error: unknown
  if (in >> value && value > 0) rate = std::max(rate.value_or(0), value * kMegabit);
  return rate;
}

std::string nvlink_name(const Gpu& one, const std::vector<NvLink>& links_of_one, const Gpu& other,
                        const std::vector<NvLink>& links_of_other) {
  const auto to_switches = [](const std::vector<NvLink>& links) {
    return std::ranges::count_if(links, [](const NvLink& link) { return link.to_switch; });
  };
  auto links = std::ranges::count_if(
      links_of_one, [&](const NvLink& link) { return link.remote_pci == other.pci; });
  if (links == 0 && one.pci != other.pci) {
    links = std::min(to_switches(links_of_one), to_switches(links_of_other));
  }
  return links > 0 ? "NV" + std::to_string(links) : "";
}

int link_distance(const std::string& link) {
  static constexpr std::array<const char*, 5> kNearestFirst = {"PIX", "PXB", "PHB", "NODE", "SYS"};
  if (link == "X") return -2;
  if (link.starts_with("NV")) return -1;
  return static_cast<int>(std::ranges::find(kNearestFirst, link) - kNearestFirst.begin());
}

namespace {

/// What NVML has of some GPUs.
struct NvLinks {
  std::vector<int> at;  ///< where; -1: it does not have it
  std::vector<std::vector<NvLink>> of;
};

NvLinks nvlinks_of(const std::vector<Gpu>& gpus, const Nvml* nvml) {
  NvLinks links;
  for (const Gpu& gpu : gpus) {
    links.at.push_back(nvml == nullptr ? -1 : nvml->find(gpu.pci));
    links.of.push_back(links.at.back() < 0 ? std::vector<NvLink>{}
                                           : nvml->nvlinks(links.at.back()));
  }
  return links;
}

const Nic* nearest_nic(const Gpu& gpu, const PciTree& tree, const std::vector<Nic>& nics) {
  const Nic* nearest = nullptr;
  if (!tree.knows(gpu.pci)) return nearest;
  const auto worth = [&](const Nic& n) {
    return std::pair(link_distance(tree.link(gpu.pci, n.pci)), -n.rate_Bps.value_or(0));
  };
  for (const Nic& nic : nics) {
    if (nic.pci.empty()) continue;
    if (nearest == nullptr || worth(nic) < worth(*nearest)) nearest = &nic;
  }
  return nearest;
}

}  // namespace

void place_gpus(std::vector<Gpu>& gpus, const Nvml* nvml, const PciTree& tree,
                const std::vector<Nic>& nics) {
  const NvLinks nvlinks = nvlinks_of(gpus, nvml);
  const auto pcie = [&](size_t i, size_t j) {
    const int one = nvlinks.at[i], other = nvlinks.at[j];
    const auto level = one < 0 || other < 0 ? std::nullopt : nvml->common_ancestor(one, other);
    return level ? pci_level_name(*level) : tree.link(gpus[i].pci, gpus[j].pci);
  };
  for (size_t i = 0; i < gpus.size(); ++i) {
    Gpu& gpu = gpus[i];
    gpu.numa_node = tree.numa_node(gpu.pci);
    gpu.links.clear();
    for (size_t j = 0; j < gpus.size(); ++j) {
      std::string link = i == j ? "X" : nvlink_name(gpu, nvlinks.of[i], gpus[j], nvlinks.of[j]);
      gpu.links.push_back(link.empty() ? pcie(i, j) : link);
    }
    const Nic* nic = nearest_nic(gpu, tree, nics);
    if (nic == nullptr) continue;
    gpu.nic = nic->name;
    gpu.nic_link = tree.link(gpu.pci, nic->pci);
  }
}

}  // namespace forerun
