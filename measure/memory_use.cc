#include "measure/memory_use.h"

#include <malloc.h>
#include <sys/resource.h>

#include <fstream>
#include <string>

namespace forerun {
namespace {

/// A line of /proc/self/status, in bytes.
double status_bytes(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

}  // namespace

double resident_bytes() { return status_bytes("VmRSS"); }

PeakMemory::PeakMemory() {
  ::malloc_trim(0);
  std::ofstream clear("/proc/self/clear_refs");  // proc(5): 5 resets the peak resident size
  clear << 5 << std::flush;
  reset_ = clear.good();
  start_bytes_ = resident_bytes();
}

std::optional<double> PeakMemory::growth_bytes() const {
  const double peak = status_bytes("VmHWM");
  if (!reset_ || peak <= 0) return std::nullopt;
  return peak > start_bytes_ ? peak - start_bytes_ : 0;
}

void limit_memory(double bytes) {
  rlimit limit = {};
  ::getrlimit(RLIMIT_DATA, &limit);
  const auto wanted = static_cast<rlim_t>(bytes);
  if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > wanted) {
    limit.rlim_cur = wanted;
    ::setrlimit(RLIMIT_DATA, &limit);
  }
}

}  // namespace forerun
