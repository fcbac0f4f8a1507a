#include "measure/gpu/gpus.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sstream>

#include "measure/gpu/links.h"
#include "model/error.h"

namespace forerun {
namespace {

/// CUDA counts the fastest first unless CUDA_DEVICE_ORDER says PCI_BUS_ID; among equal GPUs both
/// are the order of the addresses, which is NVML's.
GpuInventory ask_driver() {
  GpuInventory inventory;
  const PciTree tree;
  inventory.nics = tree.nics();
  const NvmlOpening opening = Nvml::open();
  inventory.problem = opening.problem;
  if (opening.nvml == nullptr) return inventory;
  const Nvml& nvml = *opening.nvml;
  inventory.driver = nvml.driver_version() + ", CUDA " + nvml.cuda_version();
  std::vector<Gpu> all;
  for (int i = 0; i < nvml.count(); ++i) all.push_back(nvml.describe(i));
  place_gpus(all, nvml, tree, inventory.nics);
  const std::vector<int> visible = visible_devices(all, std::getenv("CUDA_VISIBLE_DEVICES"));
  for (const int i : visible) {
    Gpu gpu = all[i];
    gpu.links.clear();
    for (const int j : visible) gpu.links.push_back(all[i].links[j]);
    inventory.gpus.push_back(std::move(gpu));
  }
  if (visible.empty()) inventory.problem = "CUDA_VISIBLE_DEVICES leaves none";
  return inventory;
}

/// In what CUDA_VISIBLE_DEVICES says.
int find_device(const std::vector<Gpu>& gpus, const std::string& word) {
  int index = -1;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), index);
  if (error == std::errc() && end == word.data() + word.size()) {
    return index < static_cast<int>(gpus.size()) ? index : -1;
  }
  for (size_t i = 0; i < gpus.size(); ++i) {
    if (word.starts_with("GPU-") && gpus[i].uuid.starts_with(word)) return static_cast<int>(i);
    const bool has = std::ranges::find(gpus[i].instances, word) != gpus[i].instances.end();
    // Drivers before 470 wrote `MIG-` + the GPU's UUID + `/1/0`.
    if (has || word.starts_with("MIG-" + gpus[i].uuid)) return static_cast<int>(i);
  }
  return -1;
}

std::vector<int> named_devices(const std::vector<Gpu>& gpus, const char* variable) {
  std::vector<int> visible;
  if (variable == nullptr) {
    for (size_t i = 0; i < gpus.size(); ++i) visible.push_back(static_cast<int>(i));
    return visible;
  }
  std::istringstream words(variable);
  for (std::string word; std::getline(words, word, ',');) {
    const int index = find_device(gpus, word);
    if (index < 0) break;
    visible.push_back(index);
  }
  return visible;
}

}  // namespace

const GpuInventory& local_gpus() {
  static const GpuInventory inventory = ask_driver();
  return inventory;
}

int visible_gpus() { return static_cast<int>(local_gpus().gpus.size()); }

std::vector<int> visible_devices(const std::vector<Gpu>& gpus, const char* variable) {
  std::vector<int> visible = named_devices(gpus, variable);
  const auto cut = std::ranges::find_if(visible, [&](int i) { return gpus[i].mig; });
  if (cut != visible.end()) visible = {*cut};
  return visible;
}

std::string resolve_device(const std::string& asked, bool built_with_cuda,
                           const std::function<const GpuInventory&()>& inventory) {
  if (!asked.empty() && asked != "cpu" && asked != "cuda") {
    throw UsageError("--device \"" + asked + "\" (there are cpu, cuda)");
  }
  if (asked == "cuda" && !built_with_cuda) {
    throw UsageError(
        "--device cuda: this build has no CUDA; cmake --workflow --preset cuda makes "
        "one that has");
  }
  if (asked == "cpu" || !built_with_cuda) return "cpu";
  if (!inventory().gpus.empty()) return "cuda";
  const std::string remedy = "; add --device cpu to measure the processor cores in its place";
  throw Error("no GPU: " + inventory().problem + (asked.empty() ? remedy : ""));
}

std::string unused_gpus(bool built_with_cuda, const GpuInventory& inventory) {
  if (built_with_cuda || inventory.gpus.empty()) return "";
  const size_t count = inventory.gpus.size();
  return std::to_string(count) + (count == 1 ? " GPU is" : " GPUs are") +
         " not used: this build has no CUDA (cmake --workflow --preset cuda makes one that has)";
}

}  // namespace forerun
