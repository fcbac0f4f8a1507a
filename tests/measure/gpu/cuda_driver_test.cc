// Against a stand-in for CUDA's driver, opened by the same path as the real one.
#include "measure/gpu/cuda_driver.h"

#include <gtest/gtest.h>

#include "tests/measure/gpu/setting.h"

namespace forerun {
namespace {

TEST(CudaDriver, SaysThatThereIsNone) {
  const CudaDevices devices = list_cuda_devices("libcuda-of-nobody.so.1");
  EXPECT_TRUE(devices.problem.starts_with("driver not found (libcuda-of-nobody.so.1: "))
      << devices.problem;
  EXPECT_TRUE(devices.gpus.empty());
  EXPECT_EQ(devices.version, "");
}

TEST(CudaDriver, DescribesWhatCudaCounts) {
  const Setting visible("CUDA_VISIBLE_DEVICES", "2,0");
  const CudaDevices devices = list_cuda_devices(CUDA_STAND_IN);
  EXPECT_EQ(devices.problem, "");
  EXPECT_EQ(devices.version, "12.8");
  ASSERT_EQ(devices.gpus.size(), 2);
  const Gpu& first = devices.gpus[0];
  EXPECT_EQ(first.name, "Stand-in GPU");
  EXPECT_EQ(first.pci, "0000:9a:00.0");
  EXPECT_EQ(first.uuid, "GPU-a2a2a2a2-a2a2-a2a2-a2a2-a2a2a2a2a2a2");
  EXPECT_EQ(first.compute_capability, "9.0");
  EXPECT_EQ(first.memory_bytes, 149.0 * (1ULL << 30));
  EXPECT_EQ(devices.gpus[1].pci, "0000:1b:00.0");
}

TEST(CudaDriver, SaysWhyThereIsNoGpu) {
  const auto problem = [] { return list_cuda_devices(CUDA_STAND_IN).problem; };
  {
    const Setting none("STAND_IN_GPUS", "0");
    EXPECT_EQ(problem(),
              "the driver sees none (CUDA error 100, no CUDA-capable device is detected)");
  }
  {
    const Setting hidden("CUDA_VISIBLE_DEVICES", "");
    EXPECT_EQ(problem(),
              "CUDA_VISIBLE_DEVICES= leaves none (CUDA error 100, no CUDA-capable device is "
              "detected)");
  }
  {
    const Setting waiting("STAND_IN_CUDA", "802");
    EXPECT_EQ(problem(),
              "the driver is not ready (CUDA error 802, an error of the stand-in); is the fabric "
              "manager running?");
  }
  const Setting stub("STAND_IN_CUDA", "34");
  EXPECT_EQ(problem(),
            "driver not found: libcuda.so.1 is the toolkit's stub (CUDA error 34, an error of the "
            "stand-in)");
}

}  // namespace
}  // namespace forerun
