#include "measure/cuda/gpu_of_rank.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "measure/cuda/check.h"
#include "measure/machine.h"

namespace forerun {
namespace {

std::string host_name() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return host;
}

std::string pci_address(int device) {
  char address[32] = {};
  CUDA_CHECK(cudaDeviceGetPCIBusId(address, sizeof address, device));
  return address;
}

/// NCCL refuses two ranks on a GPU of a host: by NCCL_HOSTID every rank is on one of its own, and
/// without paths that need a common memory they talk by sockets. From 2.30 on one variable allows
/// it. Source: NCCL src/init.cc, src/misc/utils.cc (getHostHash).
void tell_nccl_to_share(const std::string& host, int rank) {
  ::setenv("NCCL_HOSTID", (host + "-" + std::to_string(rank)).c_str(), 0);
  ::setenv("NCCL_MULTI_RANK_GPU_ENABLE", "1", 0);
  ::setenv("NCCL_P2P_DISABLE", "1", 0);
  ::setenv("NCCL_SHM_DISABLE", "1", 0);
  ::setenv("NCCL_NET", "Socket", 0);
}

std::string version_text(int code) {  // 13000: 13.0
  return std::to_string(code / 1000) + "." + std::to_string(code / 10 % 100);
}

}  // namespace

GpuOfRank choose_gpu(Communicator& control, bool may_share) {
  const std::string host = host_name();
  const int local_rank = map_ranks(control, host).local_rank;
  int devices = 0;
  CUDA_CHECK(cudaGetDeviceCount(&devices));
  GpuOfRank gpu;
  gpu.device = local_rank % devices;
  CUDA_CHECK(cudaSetDevice(gpu.device));
  std::map<std::string, int> owners;
  const auto all = control.all_gather(host + " " + pci_address(gpu.device));
  for (int rank = 0; rank < static_cast<int>(all.size()); ++rank) {
    const auto [owner, first] = owners.try_emplace(all[rank], rank);
    if (first) continue;
    gpu.shared = true;
    if (may_share) continue;
    const size_t space = all[rank].find(' ');
    throw UsageError("ranks " + std::to_string(owner->second) + " and " + std::to_string(rank) +
                     " on host " + all[rank].substr(0, space) + " share GPU " +
                     all[rank].substr(space + 1) +
                     "; start as many ranks as there are GPUs, or add --share-gpu to see that it "
                     "works: such times predict nothing");
  }
  if (gpu.shared) tell_nccl_to_share(host, control.rank());
  return gpu;
}

std::string loaded_cuda() {
  int runtime = 0, driver = 0;
  CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  CUDA_CHECK(cudaDriverGetVersion(&driver));
  Dl_info where = {};
  const bool known = ::dladdr(reinterpret_cast<void*>(&cudaRuntimeGetVersion), &where) != 0;
  return version_text(runtime) + " (" + (known ? where.dli_fname : "path unknown") + "), driver " +
         version_text(driver);
}

}  // namespace forerun
