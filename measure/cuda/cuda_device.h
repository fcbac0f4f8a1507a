// One GPU of this rank behind Device. The only door to LibTorch's CUDA parts is this header's .cc
// file.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <vector>

#include "measure/device.h"

namespace forerun {

/// GPU `index` of those that CUDA_VISIBLE_DEVICES leaves; it is the process's from now on. Throws
/// Error where it cannot be used.
std::unique_ptr<Device> make_cuda_device(int index);

/// The stream that this thread's LibTorch calls work on.
cudaStream_t current_cuda_stream();

/// Device::update() by LibTorch's fused kernels: one pass over all pieces.
void fused_update(const Optimizer& optimizer, const std::vector<UpdatePiece>& pieces, int64_t step,
                  const LossScale* loss_scale = nullptr);

}  // namespace forerun
