// `measure --devices` as users see it, with and without a driver (a stand-in for it).
#include <gtest/gtest.h>

#include <filesystem>

#include "model/io/json_reader.h"
#include "tests/measure/gpu/setting.h"
#include "tests/measure/program.h"

namespace forerun {
namespace {

std::string stand_in_folder() {
  return std::filesystem::path(NVML_STAND_IN).parent_path().string();
}

/// Where there is a real driver, it is hidden by one that does not start.
TEST(Devices, SaysThatThereIsNoGpuAndListsTheCores) {
  const Setting path("LD_LIBRARY_PATH", stand_in_folder().c_str());
  const Setting failing("STAND_IN_CUDA", "999"), unmanaged("STAND_IN_INIT", "9");
  const Finished done = run_measure({"--devices"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_TRUE(done.out.starts_with("CPUs: ")) << done.out;
  EXPECT_TRUE(holds(done.out,
                    "\nno GPU: the driver does not start (CUDA error 999, an error of the "
                    "stand-in)\n"))
      << done.out;
  EXPECT_EQ(run_measure({"--devices", "--device", "cuda"}).exit_code, 1);
}

TEST(Devices, ShowsGpusAndWhatLinksThem) {
  const Setting path("LD_LIBRARY_PATH", stand_in_folder().c_str());
  const Setting visible("CUDA_VISIBLE_DEVICES", "3,2,0");
  const Finished done = run_measure({"--devices"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_TRUE(holds(done.out, "GPUs: 3, driver 570.1, CUDA 12.8\n")) << done.out;
  EXPECT_TRUE(holds(done.out, "\nGPU0  X      NV3    SYS    2-3,10-11\n")) << done.out;
  const Finished json = run_measure({"--devices", "--json"});
  const Json document = Json::parse(json.out);
  ASSERT_EQ(document.at("gpus").size(), 3);
  EXPECT_EQ(document.at("gpus")[0].at("pci"), "0000:9c:00.0");
  EXPECT_EQ(document.at("gpus")[2].at("links"), (Json{"SYS", "SYS", "X"}));
}

TEST(Devices, NamesWhatIsNotKnownWithoutTheManagementLibrary) {
  const Setting path("LD_LIBRARY_PATH", stand_in_folder().c_str());
  const Setting unmanaged("STAND_IN_INIT", "9");
  const Finished done = run_measure({"--devices"});
  EXPECT_TRUE(holds(done.out, "GPUs: 4, driver CUDA 12.8\n")) << done.out;
  EXPECT_TRUE(holds(done.out, "not known: clocks, ")) << done.out;
  EXPECT_TRUE(holds(done.out, "driver not loaded (NVML error 9, Driver Not Loaded)\n"));
}

TEST(Devices, AnUnknownDeviceIsAUsageError) {
  const Finished done = run_measure({"--device", "tpu"});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_EQ(done.err, "measure: --device \"tpu\" (there are cpu, cuda)\n");
}

}  // namespace
}  // namespace forerun
