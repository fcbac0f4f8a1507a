#include "measure/recording.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support.h"

namespace forerun {
namespace {

/// One step of 0.1 + 2 + 4 + 1 s in two buckets of 100 and 300 bytes, on `placement`.
MeasuredConfiguration measured(int local_batch, const Placement& placement = Placement()) {
  MeasuredConfiguration m;
  m.at.placement = placement;
  m.at.local_batch = local_batch;
  m.buckets = {{100, 1}, {300, 4}};
  RankSteps rank;
  rank.load_s = {0.1, 0.1, 0.1};
  rank.forward_s = {2, 2, 2};
  rank.backward_s = {4, 4, 4};
  rank.exposed_comm_s = {0, 0, 0};
  rank.optimizer_s = {1, 1, 1};
  rank.step_time_s = {7.1, 7.1, 7.1};
  m.ranks.assign(placement.world_size(), rank);
  return m;
}

Profile profile_of(const std::vector<MeasuredConfiguration>& configurations) {
  Profile profile;
  WorkloadProfile workload;
  workload.name = "cnn";
  workload.input = "3x8x8";
  workload.configurations = configurations;
  profile.workloads = {workload};
  return profile;
}

Recordings read(const Profile& profile, const std::vector<int>& batches, double scale = 1) {
  return read_recordings("p.json", profile, "cnn", "3x8x8", batches, {"p.json", scale, false});
}

// Bytes 50 and 100 of the first bucket's 100 (1 s), then 200 of the second one's 300 (1 to 4 s).
TEST(Recording, GradientsComeEvenlyWithinTheirBucket) {
  const Recording recording = read(profile_of({measured(8)}), {8}).at(8);
  const std::vector<double> times = recording.ready_times({50, 50, 200, 100});
  ASSERT_EQ(times.size(), 4u);
  EXPECT_NEAR(times[0], 0.5, 1e-12);
  EXPECT_NEAR(times[1], 1.0, 1e-12);
  EXPECT_NEAR(times[2], 3.0, 1e-12);
  EXPECT_NEAR(times[3], 4.0, 1e-12);
}

TEST(Recording, OtherBucketsSpreadOverTheSameBackward) {
  Recording recording;
  recording.backward_s = 6;
  EXPECT_EQ(recording.ready_times({10, 20}), (std::vector<double>{2, 6}));
}

RC_GTEST_PROP(Recording, ReadyTimesGrowToTheLastBucket, ()) {
  const Recording recording = read(profile_of({measured(8)}), {8}).at(8);
  const auto count = *rc::gen::inRange(1, 40);
  std::vector<double> sizes;
  for (int i = 0; i < count; ++i) sizes.push_back(*rc::gen::inRange(1, 1000));
  const std::vector<double> times = recording.ready_times(sizes);
  for (size_t i = 1; i < times.size(); ++i) RC_ASSERT(times[i] >= times[i - 1]);
  RC_ASSERT(std::abs(times.back() - 4) < 1e-9);
}

TEST(Recording, ScalesEverything) {
  const Recording recording = read(profile_of({measured(8)}), {8}, 0.1).at(8);
  EXPECT_NEAR(recording.forward_s, 0.2, 1e-12);
  EXPECT_NEAR(recording.backward_s, 0.4, 1e-12);
  EXPECT_NEAR(recording.buckets.at(1).ready_s, 0.4, 1e-12);
}

// Medians of the parts may miss the median of the step: here its slowest part differs each time.
TEST(Recording, PartsAddUpToTheMedianStep) {
  MeasuredConfiguration m = measured(8);
  m.ranks[0].forward_s = {2, 2, 5};
  m.ranks[0].backward_s = {4, 7, 4};
  m.ranks[0].step_time_s = {7.1, 10.1, 10.1};
  const Recording recording = read(profile_of({m}), {8}).at(8);
  EXPECT_NEAR(recording.load_s + recording.forward_s + recording.backward_s + recording.optimizer_s,
              10.1, 1e-12);
}

TEST(Recording, TakesOnlyOneRankAlone) {
  const Profile profile = profile_of({measured(8, Placement({2})), measured(16)});
  EXPECT_EQ(read(profile, {16}).size(), 1u);
  const std::string said = error_of([&] { read(profile, {8, 16}); });
  EXPECT_NE(said.find("measure --model cnn --input 3x8x8 --local-batch 8 --world-sizes 1"),
            std::string::npos)
      << said;
}

TEST(Recording, RefusesWhatWasRehearsed) {
  Profile profile = profile_of({measured(8)});
  profile.machine.label = "recorded compute x 0.1";
  EXPECT_THROW(read(profile, {8}), UsageError);
}

TEST(Recording, LabelSaysWhatIsNotTheDefault) {
  EXPECT_EQ(RehearsalOptions().label(), "");
  EXPECT_EQ((RehearsalOptions{"p.json", 1, false}).label(), "recorded compute");
  EXPECT_EQ((RehearsalOptions{"p.json", 0.125, true}).label(),
            "recorded compute x 0.125 and optimizer");
}

}  // namespace
}  // namespace forerun
