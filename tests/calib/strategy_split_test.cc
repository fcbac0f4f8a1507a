// Each strategy's formula against its measured split: profiles of tests/bench/strategy_split.py.
#include <gtest/gtest.h>

#include "calib/calibrate.h"
#include "calib/predictor.h"
#include "model/statistics.h"

namespace forerun {
namespace {

Profile data(const char* name) {
  return load_profile(std::filesystem::path(FORERUN_SOURCE_DIR) / "tests/calib/data" / name);
}

/// What up to `nodes` saw of it.
Profile up_to(Profile profile, int nodes) {
  const auto larger = [&](const Placement& p) { return p.nodes() > nodes; };
  std::erase_if(profile.network, [&](const SweepPoint& p) { return larger(p.placement); });
  for (WorkloadProfile& workload : profile.workloads) {
    std::erase_if(workload.configurations,
                  [&](const MeasuredConfiguration& m) { return larger(m.at.placement); });
  }
  return profile;
}

/// Over ranks of the median over steps.
double median_of(const MeasuredConfiguration& m, std::vector<double> RankSteps::*part) {
  std::vector<double> medians;
  for (const RankSteps& rank : m.ranks) medians.push_back(median(rank.*part));
  return median(medians);
}

/// All parts of all configurations of a strategy, as shares of the measured step: none may be wrong
/// by more than `tolerance`.
void expect_splits(const Profile& profile, const Predictor& predictor, const std::string& strategy,
                   int max_nodes, double tolerance) {
  int compared = 0;
  for (const WorkloadProfile& workload : profile.workloads) {
    for (const MeasuredConfiguration& m : workload.configurations) {
      if (m.at.strategy != strategy || m.at.placement.nodes() > max_nodes || m.ranks.empty()) {
        continue;
      }
      const Prediction predicted = predictor.predict(workload.name, m.at);
      ASSERT_EQ(predicted.refused, "") << m.at.placement.text();
      const StepTime<>& parts = predicted.parts;
      const double step = median(m.step_times());
      const double compute =
          median_of(m, &RankSteps::forward_s) + median_of(m, &RankSteps::backward_s);
      const auto expect = [&](const char* part, Seconds<> is, double was) {
        EXPECT_NEAR(is.value() / step, was / step, tolerance)
            << strategy << " on " << m.at.placement.text() << " x " << m.at.local_batch << ", "
            << part;
      };
      expect("compute", parts.compute + parts.waiting, compute);
      expect("exposed communication", parts.exposed_communication,
             median_of(m, &RankSteps::exposed_comm_s));
      expect("optimizer", parts.optimizer, median_of(m, &RankSteps::optimizer_s));
      expect("step", predicted.step_time, step);
      ++compared;
    }
  }
  EXPECT_GT(compared, 0);
}

class StrategySplit : public testing::TestWithParam<const char*> {};

TEST_P(StrategySplit, IsWhatWasMeasured) {
  const Profile profile = data("rehearsed-strategies.json");
  const Predictor predictor(calibrate_profile(profile, "rehearsed"));
  expect_splits(profile, predictor, GetParam(), 4, 0.03);
}

TEST_P(StrategySplit, HoldsOnTwiceTheNodes) {
  const Profile profile = data("rehearsed-strategies.json");
  const Predictor predictor(calibrate_profile(up_to(profile, 2), "rehearsed"));
  expect_splits(profile, predictor, GetParam(), 4, 0.05);
}

INSTANTIATE_TEST_SUITE_P(Strategies, StrategySplit, testing::Values("ddp", "hierarchical", "zero1"),
                         [](const auto& of) { return std::string(of.param); });

TEST(StrategySplit, OfOneProcessForAllDevicesIsWhatWasMeasured) {
  const Profile profile = data("cores.json");
  const Predictor predictor(calibrate_profile(profile, "cores"));
  // Real steps on shared cores: a batch's steps differ by 3 % from what the others say.
  expect_splits(profile, predictor, "dataparallel", 1, 0.035);
  int compared = 0;
  for (const MeasuredConfiguration& m : profile.workloads.at(0).configurations) {
    if (m.at.world_size() == 1) continue;
    ++compared;
    const double exposed = median_of(m, &RankSteps::exposed_comm_s);
    const Prediction predicted = predictor.predict("resnet18", m.at);
    ASSERT_EQ(predicted.refused, "");
    EXPECT_NEAR(predicted.parts.exposed_communication.value() / exposed, 1, 0.15)
        << "x " << m.at.local_batch;
  }
  EXPECT_EQ(compared, 3);
}

}  // namespace
}  // namespace forerun
