// Which NCCL this process runs with: the classic crash is another one than it was built for.
#pragma once

#include <string>
#include <vector>

namespace forerun {

struct NcclLibrary {
  int version = 0;  ///< of the library that is loaded, as NCCL_VERSION_CODE
  std::string path;
  std::vector<std::string> mapped;  ///< every libnccl in the process; more than one is a mistake
};
NcclLibrary loaded_nccl();

/// `2.28.9` of 22809; NCCL before 2.9 counted otherwise, which nothing here supports.
std::string nccl_version_text(int code);

/// Throws Error where the loaded library is of another major or minor version than the header this
/// was compiled with or, where that is known, than the NCCL that LibTorch was built with
/// (`2.28.9`), or where two are loaded.
void require_matching_nccl(const NcclLibrary& loaded, int header_version,
                           const std::string& torch_version);

}  // namespace forerun
