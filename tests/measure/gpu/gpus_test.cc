#include "measure/gpu/gpus.h"

#include <gtest/gtest.h>

#include "tests/support.h"

namespace forerun {
namespace {

std::vector<Gpu> four() {
  std::vector<Gpu> gpus(4);
  for (int i = 0; i < 4; ++i) gpus[i].uuid = std::string("GPU-") + "abcd"[i] + "000";
  return gpus;
}

using Indices = std::vector<int>;

TEST(VisibleDevices, AreAllUnlessTheVariableSays) {
  EXPECT_EQ(visible_devices(four(), nullptr), (Indices{0, 1, 2, 3}));
  EXPECT_EQ(visible_devices(four(), "3,1"), (Indices{3, 1}));
  EXPECT_EQ(visible_devices(four(), "GPU-c,GPU-a000"), (Indices{2, 0}));
}

TEST(VisibleDevices, EndAtTheFirstThatDoesNotExist) {
  EXPECT_EQ(visible_devices(four(), ""), Indices{});
  EXPECT_EQ(visible_devices(four(), "-1,0"), Indices{});
  EXPECT_EQ(visible_devices(four(), "2,7,1"), Indices{2});
}

TEST(VisibleDevices, AreOneInstanceWhereGpusAreCut) {
  std::vector<Gpu> gpus = four();
  gpus[2].mig = true;
  gpus[2].instances = {"MIG-11", "MIG-12"};
  EXPECT_EQ(visible_devices(gpus, nullptr), Indices{2});
  EXPECT_EQ(visible_devices(gpus, "MIG-12,MIG-11"), Indices{2});
  EXPECT_EQ(visible_devices(gpus, "MIG-GPU-c000/1/0"), Indices{2});
  EXPECT_EQ(visible_devices(gpus, "MIG-13"), Indices{});
  EXPECT_EQ(visible_devices(gpus, "1,0"), (Indices{1, 0}));
}

TEST(ResolveDevice, TakesTheGpuWhereBuildAndMachineHaveOne) {
  const GpuInventory some{.gpus = four()};
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
  EXPECT_EQ(unused_gpus(true, {.gpus = four()}), "");
  EXPECT_EQ(unused_gpus(false, {.problem = "driver not found (x)"}), "");
}

}  // namespace
}  // namespace forerun
