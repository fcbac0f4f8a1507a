// A stand-in for CUDA's driver, libcuda.so.1, for tests: a host with up to four GPUs, those of
// nvml_stand_in.cc, that answers as the API's reference says. Environment variables change it:
//   STAND_IN_CUDA         what cuInit returns (0)
//   STAND_IN_GPUS         how many GPUs there are (4)
//   CUDA_VISIBLE_DEVICES  numbers, in the order in which they are counted then; or not set
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kSuccess = 0, kInvalidValue = 1, kNoDevice = 100;
constexpr int kBus[] = {0x1b, 0x1d, 0x9a, 0x9c};

int setting(const char* name, int usual) {
  const char* text = std::getenv(name);
  return text == nullptr ? usual : std::atoi(text);
}

std::vector<int> visible() {
  const int count = setting("STAND_IN_GPUS", 4);
  std::vector<int> all;
  const char* variable = std::getenv("CUDA_VISIBLE_DEVICES");
  if (variable == nullptr) {
    for (int i = 0; i < count; ++i) all.push_back(i);
    return all;
  }
  std::istringstream words(variable);
  for (std::string word; std::getline(words, word, ',');) all.push_back(std::atoi(word.c_str()));
  return all;
}

}  // namespace

extern "C" {

int cuInit(unsigned) {
  const int code = setting("STAND_IN_CUDA", kSuccess);
  return code == kSuccess && visible().empty() ? kNoDevice : code;
}
int cuGetErrorString(int code, const char** text) {
  *text = code == kNoDevice ? "no CUDA-capable device is detected" : "an error of the stand-in";
  return kSuccess;
}
int cuDriverGetVersion(int* version) {
  *version = 12080;
  return kSuccess;
}
int cuDeviceGetCount(int* count) {
  *count = static_cast<int>(visible().size());
  return kSuccess;
}
int cuDeviceGet(int* device, int index) {
  if (index >= static_cast<int>(visible().size())) return kInvalidValue;
  *device = visible()[index];
  return kSuccess;
}
int cuDeviceGetName(char* name, int size, int) {
  std::snprintf(name, static_cast<size_t>(size), "Stand-in GPU");
  return kSuccess;
}
int cuDeviceGetPCIBusId(char* address, int size, int device) {
  std::snprintf(address, static_cast<size_t>(size), "0000:%02X:00.0", kBus[device]);
  return kSuccess;
}
int cuDeviceGetUuid_v2(unsigned char* uuid, int device) {
  std::fill_n(uuid, 16, static_cast<unsigned char>(0xa0 + device));
  return kSuccess;
}
int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = size_t{149} << 30;
  return kSuccess;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == 75 ? 9 : 0;
  return kSuccess;
}

}  // extern "C"
