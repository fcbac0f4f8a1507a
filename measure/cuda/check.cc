#include "measure/cuda/check.h"

#include "model/io/command_line.h"

namespace forerun {
namespace {

std::string free_text() {
  size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) return "";
  return " (" + format_bytes(Bytes<>(static_cast<double>(free))) + " of " +
         format_bytes(Bytes<>(static_cast<double>(total))) + " are free)";
}

/// `ncclAllReduce` of the whole call.
std::string name_of(const std::string& call) { return call.substr(0, call.find('(')); }

}  // namespace

OutOfGpuMemory::OutOfGpuMemory(const std::string& what)
    : Error("the GPU is out of memory for " + name_of(what) + free_text() +
            "; a smaller batch, a GPU without other programs, or NCCL_BUFFSIZE=1048576 (NCCL's "
            "buffers are 4 MiB each) would help") {}

}  // namespace forerun
