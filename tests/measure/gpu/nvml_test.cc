// Against a stand-in for the driver's library, opened by the same path as the real one.
#include "measure/gpu/nvml.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "measure/gpu/processes.h"
#include "tests/measure/gpu/setting.h"

namespace forerun {
namespace {

TEST(Nvml, SaysThatThereIsNoDriver) {
  const NvmlOpening opening = Nvml::open("libnvidia-ml-of-nobody.so.1");
  EXPECT_EQ(opening.nvml, nullptr);
  EXPECT_TRUE(opening.problem.starts_with("not found (libnvidia-ml-of-nobody.so.1: "))
      << opening.problem;
}

TEST(Nvml, SaysWhyADriverDoesNotStart) {
  const Setting failing("STAND_IN_INIT", "9");
  EXPECT_EQ(Nvml::open(NVML_STAND_IN).problem,
            "driver not loaded (NVML error 9, Driver Not Loaded)");
  const Setting mismatch("STAND_IN_INIT", "18");
  EXPECT_EQ(Nvml::open(NVML_STAND_IN).problem,
            "the driver's library and its kernel module differ in version (NVML error 18, Other "
            "Error); restart the machine or the container");
}

TEST(Nvml, SaysThatADriverHasNoGpu) {
  const Setting none("STAND_IN_GPUS", "0");
  EXPECT_EQ(Nvml::open(NVML_STAND_IN).problem, "the driver sees none");
}

TEST(Nvml, LeavesOutGpusOfOtherJobs) {
  {
    const Setting denied("STAND_IN_DENIED", "3");
    const auto nvml = Nvml::open(NVML_STAND_IN).nvml;
    ASSERT_NE(nvml, nullptr);
    EXPECT_EQ(nvml->count(), 1);
    EXPECT_EQ(nvml->describe(0).uuid, "GPU-d000");
  }
  const Setting denied("STAND_IN_DENIED", "4");
  EXPECT_EQ(Nvml::open(NVML_STAND_IN).problem, "GPU 3 fails (NVML error 4, Other Error)");
}

TEST(Nvml, DescribesAGpu) {
  const auto nvml = Nvml::open(NVML_STAND_IN).nvml;
  ASSERT_NE(nvml, nullptr);
  EXPECT_EQ(nvml->count(), 4);
  EXPECT_EQ(nvml->driver_version(), "570.1");
  EXPECT_EQ(nvml->find("00000000:9A:00.0"), 2);
  EXPECT_EQ(nvml->find("0000:77:00.0"), -1);
  const Gpu gpu = nvml->describe(2);
  EXPECT_EQ(gpu.name, "Stand-in GPU");
  EXPECT_EQ(gpu.uuid, "GPU-c000");
  EXPECT_EQ(gpu.pci, "0000:9a:00.0");
  EXPECT_EQ(gpu.compute_capability, "9.0");
  EXPECT_EQ(gpu.memory_bytes, 150.0 * (1ULL << 30));
  EXPECT_EQ(gpu.sm_clock_max_hz, 1.98e9);
  EXPECT_EQ(gpu.power_limit_w, 700);
  EXPECT_EQ(gpu.cpus, "2-3,10-11");
  EXPECT_FALSE(gpu.mig);
  const Setting cut("STAND_IN_MIG", "1");
  EXPECT_TRUE(nvml->describe(3).mig);
  EXPECT_TRUE(nvml->persistent(2));
}

TEST(Nvml, LeavesOutWhatAGpuDoesNotTell) {
  const auto nvml = Nvml::open(NVML_STAND_IN).nvml;
  ASSERT_NE(nvml, nullptr);
  EXPECT_TRUE(nvml->read(0).energy_j.has_value());
  EXPECT_FALSE(nvml->read(3).energy_j.has_value());
  EXPECT_EQ(nvml->read(3).power_w, 350.5);
}

TEST(Nvml, ListsProcessesHoweverMany) {
  const Setting busy("STAND_IN_BUSY", "100");  // more than are asked for at first
  const auto nvml = Nvml::open(NVML_STAND_IN).nvml;
  ASSERT_NE(nvml, nullptr);
  EXPECT_TRUE(nvml->processes(0).empty());
  const std::vector<GpuProcess> all = nvml->processes(1);
  ASSERT_EQ(all.size(), 100);
  EXPECT_EQ(describe(all[0]), "python3 (pid 4711, 3.22 GB)");
}

TEST(ThrottleReasons, AreWords) {
  EXPECT_EQ(throttle_reasons(0x24),
            (std::vector<std::string>{"power limit", "temperature (software)"}));
  EXPECT_TRUE(throttle_reasons(0x1 | 0x2 | 0x100).empty());  // idle, and clocks that were asked for
}

TEST(NormalizedPci, IsWhatLinuxWrites) {
  EXPECT_EQ(normalized_pci("00000000:1B:00.0"), "0000:1b:00.0");
  EXPECT_EQ(normalized_pci("0000:1b:00.0"), "0000:1b:00.0");
  EXPECT_EQ(normalized_pci(""), "");
}

TEST(OtherProcesses, AreThoseThatAreNotOurs) {
  const std::vector<GpuProcess> processes = {{7, 1e9, "/usr/bin/measure"}, {8, 0, ""}};
  EXPECT_EQ(other_processes(processes, [](int pid) { return pid == 7; }),
            (std::vector<std::string>{"unnamed (pid 8)"}));
  EXPECT_TRUE(other_processes(processes, [](int) { return true; }).empty());
}

TEST(OtherProcesses, InAContainerOneOfThemIsUs) {
  const auto none = [](int) { return false; };
  EXPECT_TRUE(other_processes({{70, 0, ""}}, none).empty());
  EXPECT_EQ(other_processes({{70, 0, ""}, {80, 0, ""}, {90, 0, ""}}, none),
            (std::vector<std::string>{"2 processes outside this container"}));
  EXPECT_TRUE(other_processes({}, none).empty());
}

}  // namespace
}  // namespace forerun
