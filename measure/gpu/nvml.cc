#include "measure/gpu/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <cctype>

namespace forerun {
namespace {

// nvmlReturn_t
constexpr int kSuccess = 0, kDriverNotLoaded = 9, kFunctionNotFound = 13, kMismatch = 18;
constexpr int kInsufficientSize = 7;

constexpr int kSmClock = 1;            // nvmlClockType_t
constexpr int kGpuTemperature = 0;     // nvmlTemperatureSensors_t
constexpr unsigned kMostNvLinks = 18;  // NVML_NVLINK_MAX_LINKS
constexpr int kNvLinkToSwitch = 2;     // nvmlIntNvLinkDeviceType_t
constexpr int kNvLinkToGpu = 0;
constexpr size_t kTextSize = 96;  // NVML_DEVICE_NAME_V2_BUFFER_SIZE, the longest
constexpr double kMega = 1e6, kMilli = 1e-3;

struct PciInfo {  // nvmlPciInfo_t
  char bus_id_legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_sub_system_id;
  char bus_id[32];
};
struct MemoryInfo {  // nvmlMemory_t
  unsigned long long total, free, used;
};
struct ProcessInfo {  // nvmlProcessInfo_v2_t
  unsigned pid;
  unsigned long long used_gpu_memory;  // all ones: not available
  unsigned gpu_instance_id, compute_instance_id;
};

/// `0-3,8` of a mask.
std::string cpu_list(const std::vector<unsigned long>& mask) {
  constexpr size_t kBits = 8 * sizeof(unsigned long);
  const auto has = [&](size_t cpu) {
    return cpu < kBits * mask.size() && ((mask[cpu / kBits] >> (cpu % kBits)) & 1) != 0;
  };
  std::string list;
  for (size_t first = 0; first < kBits * mask.size(); ++first) {
    if (!has(first)) continue;
    size_t last = first;
    while (has(last + 1)) ++last;
    list += (list.empty() ? "" : ",") + std::to_string(first);
    if (last > first) list += "-" + std::to_string(last);
    first = last;
  }
  return list;
}

}  // namespace

std::string pci_level_name(int level) {
  switch (level) {
    case 0:
      return "PIX";  // two chips on one board
    case 10:
      return "PIX";
    case 20:
      return "PXB";
    case 30:
      return "PHB";
    case 40:
      return "NODE";
    case 50:
      return "SYS";
    default:
      return "";
  }
}

std::vector<std::string> throttle_reasons(uint64_t bits) {
  static constexpr std::pair<uint64_t, const char*> kReasons[] = {
      {0x04, "power limit"},
      {0x08, "hardware slowdown"},
      {0x10, "sync boost"},
      {0x20, "temperature (software)"},
      {0x40, "temperature (hardware)"},
      {0x80, "power brake"},
  };
  std::vector<std::string> words;
  for (const auto& [bit, reason] : kReasons) {
    if ((bits & bit) != 0) words.emplace_back(reason);
  }
  return words;
}

std::string normalized_pci(std::string address) {
  std::ranges::transform(address, address.begin(), [](unsigned char c) { return std::tolower(c); });
  const size_t domain = address.find(':');
  if (domain != std::string::npos && domain > 4) address.erase(0, domain - 4);
  return address;
}

template <class... Arguments>
int Nvml::call(std::initializer_list<const char*> names, Arguments... arguments) const {
  for (const char* name : names) {
    if (void* symbol = ::dlsym(library_, name)) {
      return reinterpret_cast<int (*)(Arguments...)>(symbol)(arguments...);
    }
  }
  return kFunctionNotFound;
}

template <class Number>
std::optional<double> Nvml::number(const char* name, int gpu, double unit) const {
  Number value{};
  if (call({name}, devices_[gpu], &value) != kSuccess) return std::nullopt;
  return static_cast<double>(value) * unit;
}

std::string Nvml::text(const char* name, void* device) const {
  char buffer[kTextSize] = {};
  const auto size = static_cast<unsigned>(sizeof buffer);
  return call({name}, device, &buffer[0], size) == kSuccess ? buffer : "";
}

std::string Nvml::error_text(int code) const {
  void* symbol = ::dlsym(library_, "nvmlErrorString");
  const std::string number = "NVML error " + std::to_string(code);
  if (symbol == nullptr) return number;
  return number + ", " + reinterpret_cast<const char* (*)(int)>(symbol)(code);
}

std::string Nvml::find_devices() {
  const int started = call({"nvmlInit_v2"});
  if (started == kDriverNotLoaded) return "driver not loaded (" + error_text(started) + ")";
  if (started == kMismatch) {
    return "the driver's library and its kernel module differ in version (" + error_text(started) +
           "); restart the machine or the container";
  }
  if (started != kSuccess) return "the driver does not start (" + error_text(started) + ")";
  ready_ = true;
  unsigned count = 0;
  const int counted = call({"nvmlDeviceGetCount_v2"}, &count);
  if (counted != kSuccess) return "the driver does not count GPUs (" + error_text(counted) + ")";
  // It counts those, too, that a batch system or a container keeps from us, and those that fell off
  // the bus: CUDA shows neither.
  std::string problem = "the driver sees none";
  for (unsigned i = 0; i < count; ++i) {
    void* device = nullptr;
    const int found = call({"nvmlDeviceGetHandleByIndex_v2"}, i, &device);
    if (found == kSuccess) {
      devices_.push_back(device);
    } else {
      problem = "GPU " + std::to_string(i) + " fails (" + error_text(found) + ")";
    }
  }
  return devices_.empty() ? problem : "";
}

NvmlOpening Nvml::open(const std::string& library) {
  void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return {nullptr, std::string("not found (") + ::dlerror() + ")"};
  NvmlOpening opening{std::unique_ptr<Nvml>(new Nvml(handle)), ""};
  opening.problem = opening.nvml->find_devices();
  if (!opening.problem.empty()) opening.nvml.reset();
  return opening;
}

Nvml::~Nvml() {
  if (ready_) call({"nvmlShutdown"});
  ::dlclose(library_);
}

std::string Nvml::driver_version() const {
  char buffer[kTextSize] = {};
  const auto size = static_cast<unsigned>(sizeof buffer);
  return call({"nvmlSystemGetDriverVersion"}, &buffer[0], size) == kSuccess ? buffer : "unknown";
}

std::string Nvml::pci(int gpu) const {
  PciInfo info{};
  if (call({"nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2"}, devices_[gpu], &info) !=
      kSuccess) {
    return "";
  }
  return normalized_pci(info.bus_id[0] != '\0' ? info.bus_id : info.bus_id_legacy);
}

int Nvml::find(const std::string& pci_address) const {
  for (int i = 0; i < count(); ++i) {
    if (pci(i) == normalized_pci(pci_address)) return i;
  }
  return -1;
}

Gpu Nvml::describe(int gpu) const {
  void* device = devices_[gpu];
  Gpu facts;
  facts.name = text("nvmlDeviceGetName", device);
  facts.uuid = text("nvmlDeviceGetUUID", device);
  facts.pci = pci(gpu);
  int major = 0, minor = 0;
  if (call({"nvmlDeviceGetCudaComputeCapability"}, device, &major, &minor) == kSuccess) {
    facts.compute_capability = std::to_string(major) + "." + std::to_string(minor);
  }
  MemoryInfo memory{};
  if (call({"nvmlDeviceGetMemoryInfo"}, device, &memory) == kSuccess) {
    facts.memory_bytes = static_cast<double>(memory.total);
  }
  unsigned clock = 0;
  if (call({"nvmlDeviceGetMaxClockInfo"}, device, kSmClock, &clock) == kSuccess) {
    facts.sm_clock_max_hz = clock * kMega;
  }
  facts.power_limit_w = number<unsigned>("nvmlDeviceGetEnforcedPowerLimit", gpu, kMilli);
  unsigned mig = 0, pending = 0;
  facts.mig = call({"nvmlDeviceGetMigMode"}, device, &mig, &pending) == kSuccess && mig == 1;
  std::vector<unsigned long> cpus(64);  // of 64 CPUs each
  const auto words = static_cast<unsigned>(cpus.size());
  if (call({"nvmlDeviceGetCpuAffinity"}, device, words, cpus.data()) == kSuccess) {
    facts.cpus = cpu_list(cpus);
  }
  return facts;
}

bool Nvml::persistent(int gpu) const {
  return number<int>("nvmlDeviceGetPersistenceMode", gpu, 1).value_or(0) == 1;
}

GpuReading Nvml::read(int gpu) const {
  void* device = devices_[gpu];
  GpuReading now;
  unsigned value = 0;
  if (call({"nvmlDeviceGetClockInfo"}, device, kSmClock, &value) == kSuccess) {
    now.sm_clock_hz = value * kMega;
  }
  if (call({"nvmlDeviceGetTemperature"}, device, kGpuTemperature, &value) == kSuccess) {
    now.temperature_c = value;
  }
  now.power_w = number<unsigned>("nvmlDeviceGetPowerUsage", gpu, kMilli);
  now.energy_j = number<unsigned long long>("nvmlDeviceGetTotalEnergyConsumption", gpu, kMilli);
  MemoryInfo memory{};
  if (call({"nvmlDeviceGetMemoryInfo"}, device, &memory) == kSuccess) {
    now.memory_free_bytes = static_cast<double>(memory.free);
  }
  unsigned long long reasons = 0;
  if (call({"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"},
           device, &reasons) == kSuccess) {
    now.throttle = reasons;
  }
  return now;
}

std::vector<GpuProcess> Nvml::processes(int gpu) const {
  std::vector<ProcessInfo> infos(64);
  auto count = static_cast<unsigned>(infos.size());
  const auto list = [&] {
    return call(
        {"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2"},
        devices_[gpu], &count, infos.data());
  };
  int listed = list();
  if (listed == kInsufficientSize) {  // `count` is what is needed; more may have come since
    infos.resize(2 * count);
    count = static_cast<unsigned>(infos.size());
    listed = list();
  }
  std::vector<GpuProcess> processes;
  if (listed != kSuccess) return processes;
  for (unsigned i = 0; i < count; ++i) {
    GpuProcess process{.pid = static_cast<int>(infos[i].pid)};
    if (infos[i].used_gpu_memory != ~0ULL) {
      process.memory_bytes = static_cast<double>(infos[i].used_gpu_memory);
    }
    char name[1024] = {};
    const auto size = static_cast<unsigned>(sizeof name);
    if (call({"nvmlSystemGetProcessName"}, infos[i].pid, &name[0], size) == kSuccess) {
      process.name = name;
    }
    processes.push_back(std::move(process));
  }
  return processes;
}

std::vector<NvLink> Nvml::nvlinks(int gpu) const {
  void* device = devices_[gpu];
  std::vector<NvLink> links;
  for (unsigned link = 0; link < kMostNvLinks; ++link) {
    int active = 0;
    if (call({"nvmlDeviceGetNvLinkState"}, device, link, &active) != kSuccess || active != 1) {
      continue;
    }
    NvLink found;
    PciInfo remote{};
    if (call({"nvmlDeviceGetNvLinkRemotePciInfo_v2", "nvmlDeviceGetNvLinkRemotePciInfo"}, device,
             link, &remote) == kSuccess) {
      found.remote_pci = normalized_pci(remote.bus_id);
    }
    int type = kNvLinkToGpu;
    if (call({"nvmlDeviceGetNvLinkRemoteDeviceType"}, device, link, &type) == kSuccess) {
      found.to_switch = type == kNvLinkToSwitch;
    }
    links.push_back(std::move(found));
  }
  return links;
}

std::optional<int> Nvml::common_ancestor(int one, int other) const {
  int level = 0;
  if (call({"nvmlDeviceGetTopologyCommonAncestor"}, devices_[one], devices_[other], &level) !=
      kSuccess) {
    return std::nullopt;
  }
  return level;
}

}  // namespace forerun
