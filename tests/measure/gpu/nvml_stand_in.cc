// A stand-in for NVIDIA's libnvidia-ml.so.1, for tests: a host with up to four GPUs, two of them on
// each NUMA node, that answers as the API's reference says. Environment variables change it:
//   STAND_IN_INIT   what nvmlInit_v2 returns (0)
//   STAND_IN_GPUS   how many GPUs there are (4)
//   STAND_IN_BUSY   processes on GPU 1 (0)
//   STAND_IN_DENIED how many GPUs, from the first on, are another job's (0)
//   STAND_IN_MIG    GPU 3 is cut into instances (0)
// It leaves out what a driver of 2021 lacks: nvmlDeviceGetCurrentClocksEventReasons, and the third
// version of the list of processes.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kSuccess = 0, kInvalidArgument = 2, kNotSupported = 3, kNoPermission = 4,
              kInsufficientSize = 7;
constexpr int kBus[] = {0x1b, 0x1d, 0x9a, 0x9c};

int setting(const char* name, int usual) {
  const char* text = std::getenv(name);
  return text == nullptr ? usual : std::atoi(text);
}

int index_of(void* device) { return static_cast<int>(reinterpret_cast<size_t>(device)) - 1; }

int put(char* to, unsigned size, const char* text) {
  if (std::strlen(text) >= size) return kInsufficientSize;
  std::strcpy(to, text);
  return kSuccess;
}

struct PciInfo {
  char legacy[16];
  unsigned domain, bus, device, id, subsystem;
  char bus_id[32];
};

int put_address(PciInfo* info, int bus) {
  *info = {};
  info->bus = static_cast<unsigned>(bus);
  std::snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", bus);
  return kSuccess;
}

int g_readings = 0;  // of clocks: they rise, then stay

}  // namespace

extern "C" {

int nvmlInit_v2() { return setting("STAND_IN_INIT", kSuccess); }
int nvmlShutdown() { return kSuccess; }
const char* nvmlErrorString(int code) { return code == 9 ? "Driver Not Loaded" : "Other Error"; }
int nvmlSystemGetDriverVersion(char* text, unsigned size) { return put(text, size, "570.1"); }
int nvmlSystemGetProcessName(unsigned pid, char* name, unsigned size) {
  return put(name, size, pid == 4711 ? "/usr/bin/python3" : "/usr/bin/other");
}

int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = static_cast<unsigned>(setting("STAND_IN_GPUS", 4));
  return kSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = reinterpret_cast<void*>(static_cast<size_t>(index) + 1);
  if (index < static_cast<unsigned>(setting("STAND_IN_DENIED", 0))) return kNoPermission;
  return index < 4 ? kSuccess : kInvalidArgument;
}
int nvmlDeviceGetName(void*, char* name, unsigned size) { return put(name, size, "Stand-in GPU"); }
int nvmlDeviceGetUUID(void* device, char* uuid, unsigned size) {
  char text[] = "GPU-0000";
  text[4] = static_cast<char>('a' + index_of(device));
  return put(uuid, size, text);
}
int nvmlDeviceGetPciInfo_v3(void* device, PciInfo* info) {
  return put_address(info, kBus[index_of(device)]);
}
int nvmlDeviceGetCudaComputeCapability(void*, int* major, int* minor) {
  *major = 9;
  *minor = 0;
  return kSuccess;
}
int nvmlDeviceGetMemoryInfo(void*, unsigned long long* total_free_used) {
  const unsigned long long memory[] = {150ULL << 30, 149ULL << 30, 1ULL << 30};
  std::memcpy(total_free_used, memory, sizeof memory);
  return kSuccess;
}
int nvmlDeviceGetMaxClockInfo(void*, int, unsigned* mhz) {
  *mhz = 1980;
  return kSuccess;
}
int nvmlDeviceGetClockInfo(void*, int type, unsigned* mhz) {
  if (type != 1) return kInvalidArgument;
  *mhz = ++g_readings < 3 ? 1200 : 1900;
  return kSuccess;
}
int nvmlDeviceGetTemperature(void*, int, unsigned* celsius) {
  *celsius = 40 + static_cast<unsigned>(g_readings);
  return kSuccess;
}
int nvmlDeviceGetPowerUsage(void*, unsigned* milliwatts) {
  *milliwatts = 350500;
  return kSuccess;
}
int nvmlDeviceGetEnforcedPowerLimit(void*, unsigned* milliwatts) {
  *milliwatts = 700000;
  return kSuccess;
}
int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* millijoules) {
  if (index_of(device) == 3) return kNotSupported;
  *millijoules = 1000000ULL + 50000ULL * static_cast<unsigned>(g_readings);
  return kSuccess;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void*, unsigned long long* reasons) {
  *reasons = g_readings == 2 ? 0x24 : 0x1;  // power limit and temperature, once; else idle
  return kSuccess;
}
int nvmlDeviceGetMigMode(void* device, unsigned* on, unsigned*) {
  if (index_of(device) != 3) return kNotSupported;
  *on = static_cast<unsigned>(setting("STAND_IN_MIG", 0));
  return kSuccess;
}
int nvmlDeviceGetPersistenceMode(void*, int* on) {
  *on = 1;
  return kSuccess;
}
int nvmlDeviceGetCpuAffinity(void* device, unsigned words, unsigned long* cpus) {
  std::memset(cpus, 0, words * sizeof *cpus);
  cpus[0] = index_of(device) < 2 ? 0x303 : 0xc0c;  // 0-1,8-9 and 2-3,10-11
  return kSuccess;
}

struct ProcessInfo {
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance, compute_instance;
};
int nvmlDeviceGetComputeRunningProcesses_v2(void* device, unsigned* count, ProcessInfo* infos) {
  const auto needed =
      static_cast<unsigned>(index_of(device) == 1 ? setting("STAND_IN_BUSY", 0) : 0);
  const unsigned room = *count;
  *count = needed;
  if (needed > room) return kInsufficientSize;
  for (unsigned i = 0; i < needed; ++i) infos[i] = {4711 + i, 3ULL << 30, ~0U, ~0U};
  if (needed > 1) infos[1].pid = static_cast<unsigned>(::getpid());
  return kSuccess;
}

// NVLink: GPUs 0 and 1 by two links, GPUs 2 and 3 by three through a switch.
int nvmlDeviceGetNvLinkState(void* device, unsigned link, int* active) {
  if (link >= 12) return kInvalidArgument;
  *active = link < (index_of(device) < 2 ? 2U : 3U) ? 1 : 0;
  return kSuccess;
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(void* device, unsigned, PciInfo* info) {
  constexpr int kSwitch = 0xc0;
  const int gpu = index_of(device);
  return put_address(info, gpu == 0 ? kBus[1] : gpu == 1 ? kBus[0] : kSwitch);
}
int nvmlDeviceGetNvLinkRemoteDeviceType(void* device, unsigned, int* type) {
  *type = index_of(device) < 2 ? 0 : 2;
  return kSuccess;
}
int nvmlDeviceGetTopologyCommonAncestor(void* one, void* other, int* level) {
  *level = index_of(one) / 2 == index_of(other) / 2 ? 30 : 50;
  return kSuccess;
}

}  // extern "C"
