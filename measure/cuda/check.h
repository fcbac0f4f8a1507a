// Calls of the CUDA runtime and of NCCL, checked.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <string>

#include "model/error.h"

namespace forerun {

/// Throws Error with the call, its place, and what CUDA says.
inline void check_cuda(cudaError_t code, const char* call, const char* file, int line) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // said here: not to be found again by whoever asks next
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

/// The same of NCCL; ncclInProgress is no error.
inline void check_nccl(ncclResult_t code, const char* call, const char* file, int line) {
  if (code == ncclSuccess || code == ncclInProgress) return;
  throw Error(std::string(call) + " failed: " + nccl_error_text(code) + " (" + file + ":" +
              std::to_string(line) + ")");
}

}  // namespace forerun

#define CUDA_CHECK(call) ::forerun::check_cuda((call), #call, __FILE__, __LINE__)
#define NCCL_CHECK(call) ::forerun::check_nccl((call), #call, __FILE__, __LINE__)
