#include "predict/report/timelines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace forerun {
namespace {

MeasuredConfiguration measured(const Placement& placement, double exposed_s) {
  MeasuredConfiguration m;
  m.at.placement = placement;
  m.at.local_batch = 8;
  m.buckets = {{1e6, 2, 2, 4}, {1e6, 6, 6.5, 8.5}};
  if (placement.world_size() == 1) m.buckets = {{1e6, 2}, {1e6, 6}};
  RankSteps rank;
  rank.load_s = {0};
  rank.forward_s = {1};
  rank.backward_s = {6};
  rank.exposed_comm_s = {exposed_s};
  rank.optimizer_s = {1};
  rank.step_time_s = {8 + exposed_s};
  m.ranks.assign(placement.world_size(), rank);
  return m;
}

/// Ready at 2 and 6 of 6 s; an all-reduce of 1 MB takes 2 s alone on two nodes.
Profile by_hand() {
  Profile profile;
  profile.network = {{"allreduce", "mpi", Placement({1, 1}), 0.5e6, {1, 1}},
                     {"allreduce", "mpi", Placement({1, 1}), 2e6, {4, 4}}};
  WorkloadProfile workload;
  workload.name = "cnn";
  workload.configurations = {measured(Placement(), 0), measured(Placement({1, 1}), 2.5),
                             measured(Placement({2}), 2.5)};
  profile.workloads = {workload};
  return profile;
}

// Forward 1, backward to 7, the second bucket from 7 to 9, optimizer 1: 10 s; measured 10.5.
// The placement "2" has no sweep and is left out.
TEST(StepTimelines, SimulatesWhatWasMeasured) {
  const auto timelines = step_timelines(by_hand());
  ASSERT_EQ(timelines.size(), 1u);
  const StepTimeline& t = timelines[0];
  EXPECT_EQ(t.title, "cnn, 1+1 ranks x 8");
  EXPECT_NEAR(t.simulated.step_time.value(), 10, 1e-9);
  EXPECT_NEAR(t.simulated.exposed_communication.value(), 2, 1e-9);
  EXPECT_NEAR(t.relative_error(), 10 / 10.5 - 1, 1e-9);
  EXPECT_EQ(timelines_summary(timelines),
            "timeline.json: 1 step; the simulated step differs by 4.8 % (median), 4.8 % at most");
}

TEST(StepTimelines, SizesFarBeyondTheSweepAreLeftOut) {
  Profile profile = by_hand();
  for (SweepPoint& point : profile.network) point.size_bytes *= 0.1;  // up to 0.2 of 1 MB
  EXPECT_TRUE(step_timelines(profile).empty());
  profile.network.back().size_bytes = 0.3e6;
  EXPECT_EQ(step_timelines(profile).size(), 1u);
}

TEST(StepTimelines, TraceHoldsBothSideBySide) {
  const Json trace = chrome_trace(trace_bars(step_timelines(by_hand())));
  std::set<std::string> processes;
  int bars = 0;
  double step_end = 0;
  for (const Json& event : trace.at("traceEvents")) {
    if (event.at("ph") == "X") {
      ++bars;
      EXPECT_GE(event.at("dur").get<double>(), 0);
      step_end = std::max(step_end, event.at("ts").get<double>() + event.at("dur").get<double>());
    } else if (event.at("name") == "process_name") {
      processes.insert(event.at("args").at("name"));
    }
  }
  EXPECT_EQ(processes.size(), 2u);
  EXPECT_EQ(bars, 2 * (4 + 2));
  EXPECT_NEAR(step_end, 10.5e6, 1);
}

TEST(StepTimelines, NothingMeasuredIsNothingToShow) {
  EXPECT_TRUE(step_timelines(Profile()).empty());
  EXPECT_EQ(timelines_summary({}), "");
}

}  // namespace
}  // namespace forerun
