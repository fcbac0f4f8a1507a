// Calls of the CUDA runtime and of NCCL, checked.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "model/error.h"

namespace forerun {

/// Throws Error with the call, its place, and what CUDA says.
inline void check_cuda(cudaError_t code, const char* call, const char* file, int line) {
  if (code == cudaSuccess) return;
  throw Error(std::string(call) + " failed: " + cudaGetErrorString(code) + " (" + file + ":" +
              std::to_string(line) + ")");
}

}  // namespace forerun

#define CUDA_CHECK(call) ::forerun::check_cuda((call), #call, __FILE__, __LINE__)
