#include "measure/gpu/gpus.h"

#include <algorithm>

#include "measure/gpu/links.h"
#include "model/error.h"

namespace forerun {
namespace {

GpuInventory ask_driver() {
  const PciTree tree;
  return find_gpus(list_cuda_devices(), Nvml::open(), tree, tree.nics());
}

/// What only NVML knows.
void add_facts(Gpu& gpu, const Gpu& facts) {
  gpu.sm_clock_max_hz = facts.sm_clock_max_hz;
  gpu.power_limit_w = facts.power_limit_w;
  gpu.cpus = facts.cpus;
  gpu.mig = facts.mig;
}

/// Where the management library has GPUs and CUDA has none.
std::string hidden_gpus(const Nvml& nvml) {
  return "; NVML has " + std::to_string(nvml.count()) +
         ": a container needs NVIDIA_DRIVER_CAPABILITIES=compute,utility, and CUDA_VISIBLE_DEVICES "
         "may hide some";
}

}  // namespace

GpuInventory find_gpus(const CudaDevices& cuda, const NvmlOpening& opening, const PciTree& tree,
                       std::vector<Nic> nics) {
  GpuInventory inventory{.gpus = cuda.gpus, .nics = std::move(nics), .problem = cuda.problem};
  const Nvml* nvml = opening.nvml.get();
  if (inventory.gpus.empty()) {
    if (nvml != nullptr) inventory.problem += hidden_gpus(*nvml);
    return inventory;
  }
  inventory.driver =
      (nvml == nullptr ? "" : nvml->driver_version() + ", ") + "CUDA " + cuda.version;
  std::string missing = nvml == nullptr ? opening.problem : "";
  for (Gpu& gpu : inventory.gpus) {
    const int there = nvml == nullptr ? -1 : nvml->find(gpu.pci);
    if (there >= 0) {
      add_facts(gpu, nvml->describe(there));
    } else if (nvml != nullptr) {
      missing = "it does not have the GPU at " + gpu.pci;
    }
  }
  place_gpus(inventory.gpus, nvml, tree, inventory.nics);
  if (!missing.empty()) {
    inventory.unknown =
        "clocks, throttling, temperature, power, energy, NVLinks and other programs on the GPU, "
        "which NVML tells: " +
        missing;
  }
  return inventory;
}

const GpuInventory& local_gpus() {
  static const GpuInventory inventory = ask_driver();
  return inventory;
}

int visible_gpus() { return static_cast<int>(local_gpus().gpus.size()); }

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
