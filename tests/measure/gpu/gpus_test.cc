#include "measure/gpu/gpus.h"

#include <gtest/gtest.h>

#include "tests/measure/gpu/setting.h"
#include "tests/support.h"

namespace forerun {
namespace {

/// Of the stand-ins for the driver's two libraries; nothing of this machine's PCIe.
GpuInventory found(const NvmlOpening& nvml) {
  return find_gpus(list_cuda_devices(CUDA_STAND_IN), nvml,
                   PciTree(FORERUN_SOURCE_DIR "/tests/measure/gpu/two_nodes.xml"), {});
}

TEST(FindGpus, NvmlAddsToWhatCudaCounts) {
  const Setting visible("CUDA_VISIBLE_DEVICES", "3,2,0");
  const GpuInventory inventory = found(Nvml::open(NVML_STAND_IN));
  ASSERT_EQ(inventory.gpus.size(), 3);
  EXPECT_EQ(inventory.driver, "570.1, CUDA 12.8");
  EXPECT_EQ(inventory.unknown, "");
  const Gpu& first = inventory.gpus[0];
  EXPECT_EQ(first.pci, "0000:9c:00.0");
  EXPECT_EQ(first.memory_bytes, 149.0 * (1ULL << 30));  // what CUDA can have of it
  EXPECT_EQ(first.power_limit_w, 700);
  EXPECT_EQ(first.cpus, "2-3,10-11");
  EXPECT_EQ(first.links, (std::vector<std::string>{"X", "NV3", "SYS"}));
}

TEST(FindGpus, AreThereWithoutNvml) {
  const GpuInventory inventory = found({nullptr, "not found (libnvidia-ml.so.1: why)"});
  ASSERT_EQ(inventory.gpus.size(), 4);
  EXPECT_EQ(inventory.driver, "CUDA 12.8");
  EXPECT_EQ(inventory.problem, "");
  EXPECT_EQ(inventory.unknown,
            "clocks, throttling, temperature, power, energy, NVLinks and other programs on the "
            "GPU, which NVML tells: not found (libnvidia-ml.so.1: why)");
  EXPECT_EQ(inventory.gpus[0].links[0], "X");
  EXPECT_EQ(inventory.gpus[0].numa_node, 0);  // that is hwloc's
  EXPECT_EQ(inventory.gpus[0].power_limit_w, std::nullopt);
}

TEST(FindGpus, SaysWhatNvmlDoesNotHave) {
  const Setting denied("STAND_IN_DENIED", "1");
  const GpuInventory inventory = found(Nvml::open(NVML_STAND_IN));
  ASSERT_EQ(inventory.gpus.size(), 4);
  EXPECT_TRUE(inventory.unknown.ends_with("it does not have the GPU at 0000:1b:00.0"))
      << inventory.unknown;
  EXPECT_EQ(inventory.gpus[1].power_limit_w, 700);
}

TEST(FindGpus, WithoutCudaThereAreNone) {
  const GpuInventory inventory =
      find_gpus({.problem = "driver not found (x)"}, Nvml::open(NVML_STAND_IN),
                PciTree(FORERUN_SOURCE_DIR "/tests/measure/gpu/two_nodes.xml"), {});
  EXPECT_TRUE(inventory.gpus.empty());
  EXPECT_EQ(inventory.problem,
            "driver not found (x); NVML has 4: a container needs "
            "NVIDIA_DRIVER_CAPABILITIES=compute,utility, and CUDA_VISIBLE_DEVICES may hide some");
}

TEST(ResolveDevice, TakesTheGpuWhereBuildAndMachineHaveOne) {
  const GpuInventory some{.gpus = std::vector<Gpu>(4)};
  const auto has = [&]() -> const GpuInventory& { return some; };
  EXPECT_EQ(resolve_device("", true, has), "cuda");
  EXPECT_EQ(resolve_device("cuda", true, has), "cuda");
  EXPECT_EQ(resolve_device("cpu", true, has), "cpu");
  EXPECT_EQ(resolve_device("", false, has), "cpu");
}

TEST(ResolveDevice, FallsBackOnlyWhenTold) {
  const GpuInventory none{.problem = "driver not found (x)"};
  const auto has_not = [&]() -> const GpuInventory& { return none; };
  EXPECT_EQ(resolve_device("cpu", true, has_not), "cpu");
  EXPECT_EQ(error_of([&] { resolve_device("", true, has_not); }),
            "no GPU: driver not found (x); add --device cpu to measure the processor cores in its "
            "place");
  EXPECT_EQ(error_of([&] { resolve_device("cuda", true, has_not); }),
            "no GPU: driver not found (x)");
}

TEST(ResolveDevice, RefusesWhatTheBuildDoesNotKnow) {
  EXPECT_EQ(error_of([&] { resolve_device("cuda", false); }),
            "--device cuda: this build has no CUDA; cmake --workflow --preset cuda makes one that "
            "has");
  EXPECT_EQ(error_of([&] { resolve_device("tpu", true); }),
            "--device \"tpu\" (there are cpu, cuda)");
}

TEST(UnusedGpus, AreToldOfInABuildWithoutCuda) {
  EXPECT_EQ(unused_gpus(false, {.gpus = {Gpu{}}}),
            "1 GPU is not used: this build has no CUDA (cmake --workflow --preset cuda makes one "
            "that has)");
  EXPECT_EQ(unused_gpus(true, {.gpus = std::vector<Gpu>(4)}), "");
  EXPECT_EQ(unused_gpus(false, {.problem = "driver not found (x)"}), "");
}

}  // namespace
}  // namespace forerun
