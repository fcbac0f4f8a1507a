// Calls of the CUDA runtime and of NCCL, checked.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <string>

#include "model/error.h"

namespace forerun {

/// The GPU has no memory left for what somebody wants beside LibTorch's tensors.
class OutOfGpuMemory : public Error {
 public:
  /// `what` failed.
  explicit OutOfGpuMemory(const std::string& what);
};

/// Throws Error with the call, its place, and what CUDA says; OutOfGpuMemory where it is that.
inline void check_cuda(cudaError_t code, const char* call, const char* file, int line) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // said here: not to be found again by whoever asks next
  if (code == cudaErrorMemoryAllocation) throw OutOfGpuMemory(call);
  throw Error(std::string(call) + " failed: " + cudaGetErrorString(code) + " (" + file + ":" +
              std::to_string(line) + ")");
}

/// Whether a stream has passed the record of `event`. Throws Error where its work failed.
inline bool has_passed(cudaEvent_t event) {
  const cudaError_t code = cudaEventQuery(event);
  if (code == cudaErrorNotReady) {
    // No error, but kept as this thread's last one: LibTorch asks for that after each of its
    // kernels, and would take it for the kernel's.
    cudaGetLastError();
    return false;
  }
  check_cuda(code, "a stream's work", __FILE__, __LINE__);
  return true;
}

/// What NCCL says, and where one finds more.
inline std::string nccl_error_text(ncclResult_t code, ncclComm_t comm = nullptr) {
  std::string text = ncclGetErrorString(code);
  const char* last = ncclGetLastError(comm);
  if (last != nullptr && *last != '\0') text += std::string(": ") + last;
  return text;
}

/// NCCL has no code of its own for that: it passes on an error of CUDA, and its last warning says
/// which. Source: NCCL 2.28 src/include/alloc.h, checks.h.
inline bool is_nccl_out_of_memory(ncclResult_t code) {
  if (code != ncclUnhandledCudaError && code != ncclSystemError) return false;
  const char* last = ncclGetLastError(nullptr);
  const std::string said = last == nullptr ? "" : last;
  return said.find("out of memory") != std::string::npos ||
         said.find("Failed to CUDA") != std::string::npos;  // `... calloc 6291456 bytes`
}

/// The same of NCCL; ncclInProgress is no error.
inline void check_nccl(ncclResult_t code, const char* call, const char* file, int line) {
  if (code == ncclSuccess || code == ncclInProgress) return;
  if (is_nccl_out_of_memory(code)) throw OutOfGpuMemory(call);
  throw Error(std::string(call) + " failed: " + nccl_error_text(code) + " (" + file + ":" +
              std::to_string(line) + ")");
}

}  // namespace forerun

#define CUDA_CHECK(call) ::forerun::check_cuda((call), #call, __FILE__, __LINE__)
#define NCCL_CHECK(call) ::forerun::check_nccl((call), #call, __FILE__, __LINE__)
