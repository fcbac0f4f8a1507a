// Data made from the model, with 2 % noise: what went in must come out, within the intervals that
// are printed.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "calib/calibrate.h"
#include "calib/predictor.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

constexpr int kSeeds = 100;
constexpr double kNoise = 0.02;

std::map<std::string, double> truth_of(const std::vector<SyntheticWorkload>& workloads) {
  const StepModel<>& any = workloads.front().model;
  std::map<std::string, double> truth = {
      {"network.alpha_intra_s", any.network.intra.alpha.value()},
      {"network.beta_intra_s_per_byte", any.network.intra.beta.value()},
      {"network.alpha_inter_s", any.network.inter.alpha.value()},
      {"network.beta_inter_s_per_byte", any.network.inter.beta.value()},
      {"network.nic_sharing", any.network.nic_sharing},
      {"network.congestion", any.network.congestion},
      {"network.two_nodes", any.network.two_nodes},
      {"network.spread", any.spread},
  };
  for (const SyntheticWorkload& w : workloads) {
    truth[w.name + ".launch_s"] = w.model.compute.launch.value();
    truth[w.name + ".per_sample_s"] = w.model.compute.per_sample.value();
    truth[w.name + ".overlap_minus_one"] = w.model.overlap - 1;
    truth[w.name + ".wire_bytes"] = w.model.grad_bytes.value();
  }
  return truth;
}

TEST(Recovery, EveryIdentifiableParameterIsInsideItsIntervalInAtLeast85Of100Seeds) {
  const auto workloads = synthetic_cluster();
  const auto truth = truth_of(workloads);
  std::map<std::string, int> determined, inside;
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    const Calibration calibration = calibrate_observations(
        synthetic_rows(workloads, synthetic_placements(), kNoise, seed), "synthetic");
    for (const auto& [name, value] : truth) {
      const Parameter* p = calibration.parameter(name);
      ASSERT_NE(p, nullptr) << name;
      determined[name] += p->determined;
      inside[name] += p->low() <= value && value <= p->high();
    }
  }
  int identifiable = 0;
  for (const auto& [name, value] : truth) {
    SCOPED_TRACE(name);
    if (determined[name] > kSeeds / 2) {
      ++identifiable;
      EXPECT_GE(inside[name], 85);
    }
    RecordProperty(name, std::to_string(determined[name]) + " determined, " +
                             std::to_string(inside[name]) + " inside");
    std::printf("  %-32s determined in %3d, inside in %3d of %d seeds\n", name.c_str(),
                determined[name], inside[name], kSeeds);
  }
  // Compute, bandwidths and the two-node effect are what such data can tell.
  EXPECT_GE(identifiable, 10);
}

TEST(Recovery, SaysWhatOneNodeCannotTell) {
  const auto rows = synthetic_rows(
      synthetic_cluster(), {Placement::even(1, 1), Placement::even(1, 2), Placement::even(1, 4)},
      kNoise, 1);
  const Calibration calibration = calibrate_observations(rows, "synthetic");
  for (const char* name : {"network.alpha_inter_s", "network.beta_inter_s_per_byte",
                           "network.nic_sharing", "network.congestion", "network.two_nodes"}) {
    EXPECT_FALSE(calibration.parameter(name)->determined) << name;
  }
  EXPECT_TRUE(calibration.parameter("network.beta_intra_s_per_byte")->determined);
  EXPECT_TRUE(calibration.parameter("large.per_sample_s")->determined);
}

TEST(Recovery, PredictsUnmeasuredScalesWithinItsIntervals) {
  const auto workloads = synthetic_cluster();
  int inside = 0, points = 0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const Predictor predictor(calibrate_observations(
        synthetic_rows(workloads, synthetic_placements(), kNoise, seed), "synthetic"));
    for (const SyntheticWorkload& w : workloads) {
      for (const auto& [nodes, gpus] :
           std::vector<std::pair<int, int>>{{4, 16}, {8, 16}, {8, 32}}) {
        const Configuration at{.placement = Placement::even(nodes, gpus), .local_batch = 32};
        const Prediction p = predictor.predict(w.name, at);
        ASSERT_EQ(p.refused, "");
        const double truth = step_time(w.model, at).total().value();
        EXPECT_NEAR(std::log(p.step_time.value() / truth), 0, 0.25);
        inside += p.low.value() <= truth && truth <= p.high.value();
        ++points;
      }
    }
  }
  EXPECT_GE(inside, 0.86 * points);
}

TEST(Recovery, GradientBytesCarryAWorkloadFromOneGpuToMany) {
  auto workloads = synthetic_cluster();
  auto rows = synthetic_rows(workloads, synthetic_placements(), kNoise, 7);
  std::erase_if(rows,
                [](const Observation& o) { return o.model == "large" && o.at.world_size() > 1; });
  const Predictor predictor(calibrate_observations(rows, "synthetic"));
  const Configuration at{.placement = Placement::even(4, 8), .local_batch = 32};
  const Prediction p = predictor.predict("large", at);
  ASSERT_EQ(p.refused, "");
  EXPECT_NEAR(std::log(p.step_time.value() / step_time(workloads[0].model, at).total().value()), 0,
              0.15);
}

TEST(Recovery, TwoNodesAreToldFromMoreOrFoundAlike) {
  const auto probability_of_like_more = [](double two_nodes) {
    auto workloads = synthetic_cluster();
    for (auto& w : workloads) w.model.network.two_nodes = two_nodes;
    const auto rows = synthetic_rows(workloads, synthetic_placements(), 0.02, 3);
    const auto hypotheses = calibrate_observations(rows, "synthetic").networks[0].hypotheses;
    return hypotheses.size() == 1 ? 0 : hypotheses.back().weight;
  };
  EXPECT_GT(probability_of_like_more(0), 0.75);
  EXPECT_EQ(probability_of_like_more(0.6), 0);  // not even fitted
  EXPECT_EQ(probability_of_like_more(-0.6), 0);
}

}  // namespace
}  // namespace forerun
