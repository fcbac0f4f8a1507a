#include "measure/gpu/watch.h"

#include <gtest/gtest.h>

#include "tests/measure/gpu/setting.h"

namespace forerun {
namespace {

/// The stand-in's clock is 1.2 GHz in the first two readings, 1.9 GHz later; it throttles in the
/// second; each reading is 50 J after the last.
TEST(GpuWatch, TellsWhatHappenedInBetween) {
  const Setting busy("STAND_IN_BUSY", "2");  // us, and another
  GpuWatch watch("00000000:1D:00.0", NVML_STAND_IN);
  ASSERT_TRUE(watch.active());
  watch.start(10);
  watch.step(10.01);  // too soon to ask again
  watch.step(10.2);
  watch.step(10.4);
  const GpuConditions seen = watch.stop(10.5);
  EXPECT_EQ(seen.steps, 3);
  EXPECT_DOUBLE_EQ(seen.seconds, 0.5);
  EXPECT_EQ(seen.sm_clock_low_hz, 1.2e9);
  EXPECT_EQ(seen.sm_clock_high_hz, 1.9e9);
  EXPECT_EQ(seen.temperature_high_c, 44);
  EXPECT_DOUBLE_EQ(seen.energy_j, 150);
  EXPECT_EQ(seen.throttled, (std::vector<std::string>{"power limit", "temperature (software)"}));
  EXPECT_EQ(seen.other_processes, (std::vector<std::string>{"python3 (pid 4711, 3.22 GB)"}));
  watch.start(11);
  EXPECT_TRUE(watch.stop(11.1).throttled.empty());
}

TEST(GpuWatch, WatchesNothingWithoutADriverOrWithoutThatGpu) {
  EXPECT_FALSE(GpuWatch("0000:1d:00.0", "libnvidia-ml-of-nobody.so.1").active());
  EXPECT_FALSE(GpuWatch("", NVML_STAND_IN).active());
  GpuWatch watch("0000:77:00.0", NVML_STAND_IN);
  watch.start(0);
  watch.step(1);
  EXPECT_EQ(watch.stop(2).steps, 0);
}

TEST(GpuConditions, AddUp) {
  GpuConditions sum{.rank = 3};
  sum.add({.sm_clock_low_hz = 2, .sm_clock_high_hz = 3, .energy_j = 5, .seconds = 1, .steps = 1});
  sum.add({});  // a block without a reading
  sum.add({.sm_clock_low_hz = 1,
           .sm_clock_high_hz = 2,
           .temperature_high_c = 50,
           .energy_j = 6,
           .seconds = 2,
           .steps = 4,
           .throttled = {"power limit"}});
  sum.add({.throttled = {"power limit"}});
  EXPECT_EQ(sum.rank, 3);
  EXPECT_EQ(sum.sm_clock_low_hz, 1);
  EXPECT_EQ(sum.sm_clock_high_hz, 3);
  EXPECT_EQ(sum.temperature_high_c, 50);
  EXPECT_EQ(sum.energy_j, 11);
  EXPECT_EQ(sum.steps, 5);
  EXPECT_EQ(sum.throttled, std::vector<std::string>{"power limit"});
}

}  // namespace
}  // namespace forerun
