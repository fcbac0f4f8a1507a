#include "measure/gpu/cuda_driver.h"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <initializer_list>

#include "measure/gpu/nvml.h"

namespace forerun {
namespace {

constexpr int kSuccess = 0, kStub = 34, kNoDevice = 100, kNotReady = 802;  // CUresult
constexpr int kMissing = 500;                                              // CUDA_ERROR_NOT_FOUND
constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_...

using Uuid = std::array<unsigned char, 16>;  // CUuuid

/// `GPU-1b2c...` as NVIDIA's programs write it.
std::string uuid_text(const Uuid& uuid) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "GPU";
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[uuid[i] / 16];
    text += kDigits[uuid[i] % 16];
  }
  return text;
}

class Driver {
 public:
  explicit Driver(const std::string& library)
      : library_(::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL)) {}

  bool is_there() const { return library_ != nullptr; }

  /// CUresult of the first of `names` that the library has. It stays open: the driver has threads.
  template <class... Arguments>
  int call(std::initializer_list<const char*> names, Arguments... arguments) const {
    for (const char* name : names) {
      if (void* symbol = ::dlsym(library_, name)) {
        return reinterpret_cast<int (*)(Arguments...)>(symbol)(arguments...);
      }
    }
    return kMissing;
  }

  std::string error_text(int code) const {
    const char* text = nullptr;
    call({"cuGetErrorString"}, code, &text);
    return "CUDA error " + std::to_string(code) + (text == nullptr ? "" : std::string(", ") + text);
  }

  Gpu describe(int device) const {
    Gpu gpu;
    std::array<char, 256> name{};
    std::array<char, 32> pci{};
    Uuid uuid{};
    size_t bytes = 0;
    int major = 0, minor = 0;
    call({"cuDeviceGetName"}, name.data(), static_cast<int>(name.size()), device);
    call({"cuDeviceGetPCIBusId"}, pci.data(), static_cast<int>(pci.size()), device);
    const int named = call({"cuDeviceGetUuid_v2", "cuDeviceGetUuid"}, uuid.data(), device);
    call({"cuDeviceTotalMem_v2"}, &bytes, device);
    call({"cuDeviceGetAttribute"}, &major, kMajor, device);
    call({"cuDeviceGetAttribute"}, &minor, kMinor, device);
    gpu.name = name.data();
    gpu.pci = normalized_pci(pci.data());
    gpu.uuid = named == kSuccess ? uuid_text(uuid) : gpu.pci;
    gpu.memory_bytes = static_cast<double>(bytes);
    gpu.compute_capability = std::to_string(major) + "." + std::to_string(minor);
    return gpu;
  }

 private:
  void* library_;
};

/// Why cuInit() failed, in words.
std::string start_problem(const Driver& driver, int code) {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const std::string said = " (" + driver.error_text(code) + ")";
  if (code == kNoDevice && visible != nullptr) {
    return std::string("CUDA_VISIBLE_DEVICES=") + visible + " leaves none" + said;
  }
  if (code == kNoDevice) return "the driver sees none" + said;
  if (code == kStub) return "driver not found: libcuda.so.1 is the toolkit's stub" + said;
  if (code == kNotReady)
    return "the driver is not ready" + said + "; is the fabric manager running?";
  return "the driver does not start" + said;
}

}  // namespace

CudaDevices list_cuda_devices(const std::string& library) {
  CudaDevices devices;
  const Driver driver(library);
  if (!driver.is_there()) {
    devices.problem = std::string("driver not found (") + ::dlerror() + ")";
    return devices;
  }
  int version = 0;  // 1000 x major + 10 x minor
  if (driver.call({"cuDriverGetVersion"}, &version) == kSuccess) {
    devices.version = std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  }
  const int started = driver.call({"cuInit"}, 0U);
  if (started != kSuccess) {
    devices.problem = start_problem(driver, started);
    return devices;
  }
  int count = 0;
  const int counted = driver.call({"cuDeviceGetCount"}, &count);
  for (int i = 0; i < count; ++i) {
    int device = 0;
    if (driver.call({"cuDeviceGet"}, &device, i) != kSuccess) continue;
    devices.gpus.push_back(driver.describe(device));
  }
  if (devices.gpus.empty()) {
    devices.problem = start_problem(driver, counted == kSuccess ? kNoDevice : counted);
  }
  return devices;
}

}  // namespace forerun
