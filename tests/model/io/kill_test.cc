// The profile's writer, killed at random moments.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <random>

#include "model/io/profile.h"
#include "tests/model/io/sample_profile.h"
#include "tests/support.h"

namespace forerun {
namespace {

/// The sample with a number in it at the start and at the end, and much between them.
Profile numbered(int number) {
  Profile profile = sample_profile();
  profile.machine.max_ranks = number;
  SweepPoint point = profile.network.at(0);
  point.samples_s.assign(2000, 1e-3);
  point.samples_s.back() = number;
  profile.network.push_back(point);
  return profile;
}

[[noreturn]] void write_forever(const std::filesystem::path& path, int first) {
  for (int number = first;; ++number) save_profile(path, numbered(number));
}

TEST(SaveProfile, AThousandKillsNeverTearTheFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "profile.json";
  const auto start = std::chrono::steady_clock::now();
  save_profile(path, numbered(1));
  const std::chrono::duration<double, std::micro> once = std::chrono::steady_clock::now() - start;
  std::mt19937 random(7);
  // Up to several writes, however long one takes here.
  std::uniform_int_distribution<int> microseconds(0, 1000 + static_cast<int>(5 * once.count()));
  int last = 1, interrupted = 0;
  for (int kill = 0; kill < 1000; ++kill) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_forever(path, last + 1);
    ::usleep(microseconds(random));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Profile read = load_profile(path);  // throws if it is torn
    ASSERT_EQ(read.network.back().samples_s.back(), read.machine.max_ranks);
    ASSERT_GE(read.machine.max_ranks, last);
    last = read.machine.max_ranks;
    interrupted += std::filesystem::remove(path.string() + ".tmp." + std::to_string(child)) ? 1 : 0;
  }
  EXPECT_GT(last, 1);         // some writes were finished
  EXPECT_GT(interrupted, 0);  // others were not
}

}  // namespace
}  // namespace forerun
