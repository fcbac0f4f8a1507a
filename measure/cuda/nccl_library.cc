#include "measure/cuda/nccl_library.h"

#include <dlfcn.h>
#include <nccl.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "measure/cuda/check.h"

namespace forerun {
namespace {

int series(int version) { return version / 100; }  // major and minor

/// 22809 of `2.28.9`; 0 of anything else.
int version_code(const std::string& text) {
  int major = 0, minor = 0, patch = 0;
  if (std::sscanf(text.c_str(), "%d.%d.%d", &major, &minor, &patch) < 2) return 0;
  return NCCL_VERSION(major, minor, patch);
}

std::vector<std::string> mapped_nccl() {
  std::vector<std::string> paths;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t slash = line.find('/');
    if (slash == std::string::npos || line.find("/libnccl.so") == std::string::npos) continue;
    const std::string path = line.substr(slash);
    if (std::ranges::find(paths, path) == paths.end()) paths.push_back(path);
  }
  return paths;
}

}  // namespace

NcclLibrary loaded_nccl() {
  NcclLibrary library;
  NCCL_CHECK(ncclGetVersion(&library.version));
  Dl_info where = {};
  if (::dladdr(reinterpret_cast<void*>(&ncclGetVersion), &where) != 0) {
    library.path = where.dli_fname;
  }
  library.mapped = mapped_nccl();
  return library;
}

std::string nccl_version_text(int code) {
  return std::to_string(code / 10000) + "." + std::to_string(code / 100 % 100) + "." +
         std::to_string(code % 100);
}

void require_matching_nccl(const NcclLibrary& loaded, int header_version,
                           const std::string& torch_version) {
  if (loaded.mapped.size() > 1) {
    std::string paths;
    for (const std::string& path : loaded.mapped) paths += (paths.empty() ? "" : ", ") + path;
    throw Error("two copies of NCCL in one process (" + paths +
                "): calls of one reach the other; leave one of them in LD_LIBRARY_PATH");
  }
  const std::string found =
      "NCCL " + nccl_version_text(loaded.version) + " (" + loaded.path + ") was loaded, but ";
  const std::string remedy = "; put the right one first in LD_LIBRARY_PATH, or build again";
  if (series(loaded.version) != series(header_version)) {
    throw Error(found + "measure was built for " + nccl_version_text(header_version) + remedy);
  }
  const int torch = version_code(torch_version);
  if (torch != 0 && series(loaded.version) != series(torch)) {
    throw Error(found + "LibTorch was built with " + torch_version + remedy);
  }
}

}  // namespace forerun
