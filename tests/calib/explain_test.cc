// What an explanation says, held against what was put in.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "calib/calibrate.h"
#include "calib/explain/explanation.h"
#include "calib/explain/joint_posterior.h"
#include "calib/explain/plan.h"
#include "calib/explain/plots.h"
#include "model/error.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

std::vector<Observation> rows(const std::vector<Placement>& placements = synthetic_placements(),
                              double noise = 0.02) {
  return synthetic_rows(synthetic_cluster(), placements, noise, 13);
}

const WorkloadExplanation& find(const Explanation& e, const std::string& name) {
  for (const WorkloadExplanation& w : e.workloads) {
    if (w.name == name) return w;
  }
  throw Error("no " + name);
}

TEST(JointPosterior, ConditioningOnARowIsWhatFittingItDoes) {
  // The variance that a plan expects after one more row, and the variance that this row leaves
  // once it is among the fitted ones with the same parameters.
  const Calibration calibration = calibrate_observations(rows(), "synthetic");
  const WorkloadCalibration& w = *calibration.find("large");
  const Configuration x{.placement = Placement::even(4, 16), .local_batch = 16};
  const Configuration y{.placement = Placement::even(4, 12), .local_batch = 32};
  const ConditionedSeries before = condition(calibration, w, 0);
  const JointPosterior joint = joint_posterior(before, {x, y});
  const double removed = joint.own(0, 1) * joint.own(0, 1) / (joint.own(0, 0) + joint.noise[0]);

  Calibration with = calibration;
  WorkloadCalibration& more =
      with.workloads[static_cast<size_t>(&w - calibration.workloads.data())];
  more.points.push_back({x, 0.1, before.traits.repeat_variance});
  const JointPosterior after = joint_posterior(condition(with, more, 0), {y});
  EXPECT_NEAR(after.own(0, 0), joint.own(1, 1) - removed, 1e-9);
  EXPECT_GT(removed, 0);
}

/// All workloads around the calibration's parameters, and what they say of the network.
struct Joint {
  explicit Joint(const Calibration& calibration) {
    const Hypothesis& shared = calibration.networks[0].hypotheses[0];
    NetworkPrior prior;
    std::copy_n(shared.network.prior_mean.begin(), kNetworkParameters, prior.mean.begin());
    std::copy_n(shared.network.prior_sd.begin(), kNetworkParameters, prior.sd.begin());
    mean = Eigen::Map<const NetworkVector>(prior.mean.data());
    std::vector<Series> series;
    std::vector<SolvedSeries> solved;
    for (const WorkloadCalibration& w : calibration.workloads) {
      given.push_back(condition(calibration, w, 0));
      series.push_back(given.back().series);
      solved.push_back(given.back().solved);
    }
    network = network_posterior(solved, series, prior);
  }
  NetworkVector mean;  // of the prior
  std::vector<ConditionedSeries> given;
  NetworkPosterior network;
};

/// The same calibration with its parameters where the linearized posterior no longer moves.
Calibration settled(Calibration calibration) {
  Hypothesis& shared = calibration.networks[0].hypotheses[0];
  for (int round = 0; round < 60; ++round) {
    const Joint joint(calibration);
    const NetworkVector estimate = joint.mean + joint.network.deviation;
    for (int i = 0; i < kNetworkParameters; ++i)
      shared.network.estimate[i] += 0.5 * (estimate[i] - shared.network.estimate[i]);
    std::copy_n(joint.network.covariance.data(), joint.network.covariance.size(),
                shared.network_covariance.begin());
    for (size_t w = 0; w < joint.given.size(); ++w) {
      ParameterBlock& own = calibration.workloads[w].hypotheses[0];
      const WorkloadPosterior posterior =
          workload_posterior(joint.given[w].solved, joint.given[w].series, joint.network);
      for (int i = 0; i < kWorkloadParameters; ++i)
        own.estimate[i] += 0.5 * (own.prior_mean[i] + posterior.deviation[i] - own.estimate[i]);
    }
  }
  return calibration;
}

/// ln(step time) of the first workload at its last row, from all others.
double predicted_without_last(Calibration calibration) {
  WorkloadCalibration& w = calibration.workloads[0];
  const Configuration at = w.points.back().at;
  w.points.pop_back();
  const Joint joint(calibration);
  const ConditionedSeries& given = joint.given[0];
  const Linearization f = linearize_step(given.network, given.parameters, given.traits, at);
  const Eigen::Map<const WorkloadVector> mean(w.hypotheses[0].prior_mean.data());
  const NetworkVector& deviation = joint.network.deviation;
  const Eigen::VectorXd weights =
      given.solved.solved_excess - given.solved.solved_network * deviation;
  return f.log_time + f.by_network.dot(joint.mean + deviation - given.network) +
         f.by_workload.dot(mean - given.parameters) +
         cross_covariance(given, {coordinates_of(at), f.communication_share()}, f.by_workload)
             .dot(weights);
}

TEST(Explain, LeavesOneOutAsAllOthersPredict) {
  auto all = rows();
  std::erase_if(all, [](const Observation& o) {
    return o.at.placement == Placement::even(2, 8) && o.at.local_batch != 16;
  });
  const Calibration calibration = settled(calibrate_observations(all, "synthetic"));
  const Explanation e = explain(calibration, all);
  const auto& groups = e.workloads[0].by_placement;
  const auto group = std::find_if(groups.begin(), groups.end(),
                                  [](const ErrorGroup& g) { return g.name == "2 x 4"; });
  ASSERT_NE(group, groups.end());
  ASSERT_EQ(group->left_out.rows, 1);
  ASSERT_EQ(calibration.workloads[0].points.back().at.placement, Placement::even(2, 8));
  EXPECT_NEAR(group->left_out.bias,
              predicted_without_last(calibration) -
                  std::log(calibration.workloads[0].points.back().step_time_s),
              1e-5);
}

TEST(Explain, LeftOutErrorsAreAsLargeAsTheNoise) {
  const auto all = rows();
  const Explanation e = explain(calibrate_observations(all, "synthetic"), all);
  ASSERT_EQ(e.workloads.size(), 2u);
  EXPECT_FALSE(e.held_out);
  for (const WorkloadExplanation& w : e.workloads) {
    EXPECT_EQ(w.all.left_out.rows, 32);
    EXPECT_LT(w.all.left_out.median, 0.04);
    EXPECT_GT(w.all.left_out.coverage_90, 0.75);
    EXPECT_EQ(w.by_scale.size(), 4u);  // 1, 2, 4, 8
    EXPECT_EQ(w.by_placement.size(), 8u);
    EXPECT_EQ(w.by_batch.size(), 3u);
    int counted = 0;
    for (const ErrorGroup& g : w.by_batch) counted += g.left_out.rows;
    EXPECT_EQ(counted, 32);
  }
}

TEST(Explain, SaysWhereHeldOutRowsAreMissed) {
  auto all = rows();
  for (Observation& o : all) {
    if (o.at.world_size() < 8) continue;
    o.role = "test";
    if (o.model == "large") o.step_time_s *= 2;
  }
  const Explanation e = explain(calibrate_observations(all, "synthetic"), all);
  EXPECT_TRUE(e.held_out);
  const ErrorGroup& eight = find(e, "large").by_scale.back();
  EXPECT_EQ(eight.name, "8 GPUs");
  EXPECT_EQ(eight.held_out.rows, 8);
  EXPECT_EQ(eight.left_out.rows, 0);
  EXPECT_NEAR(eight.held_out.bias, -std::log(2.0), 0.15);
  EXPECT_NEAR(find(e, "small").by_scale.back().held_out.bias, 0, 0.15);
}

TEST(Explain, NamesTheRowThatWasTreatedAsAnOutlier) {
  auto all = rows();
  size_t spoilt = 0;
  while (all[spoilt].model != "large" || all[spoilt].at.world_size() != 4) ++spoilt;
  all[spoilt].step_time_s *= 10;
  const Explanation e = explain(calibrate_observations(all, "synthetic"), all);
  const auto& outliers = find(e, "large").outliers;
  ASSERT_FALSE(outliers.empty());
  EXPECT_EQ(outliers.front().at, all[spoilt].at);
  EXPECT_NEAR(outliers.front().observed_s / outliers.front().expected_s, 10, 1);
}

TEST(Explain, PointsThatWereNotRunAreNoRows) {
  auto all = rows();
  std::erase_if(all, [](const Observation& o) { return o.at.world_size() == 1; });
  for (Observation& o : all) o.exposed_comm_s = 0.3 * o.step_time_s;  // tells of one rank's step
  const Explanation e = explain(calibrate_observations(all, "synthetic"), all);
  for (const WorkloadExplanation& w : e.workloads) {
    EXPECT_EQ(w.all.left_out.rows, 28);
    EXPECT_EQ(w.by_scale.front().name, "2 GPUs");
    for (const OutlierRow& row : w.outliers) EXPECT_GT(row.at.world_size(), 1);
  }
}

TEST(Explain, EveryOpenParameterHasARemedy) {
  const auto one_node = rows({Placement::even(1, 1), Placement::even(1, 2), Placement::even(1, 4)});
  const Explanation e = explain(calibrate_observations(one_node, "synthetic"), one_node);
  bool inter = false;
  for (const ParameterExplanation& p : e.parameters) {
    EXPECT_EQ(p.remedy.empty(), p.parameter.determined) << p.parameter.name;
    inter = inter || (p.parameter.name == "network.alpha_inter_s" &&
                      p.remedy.find("between nodes") != std::string::npos);
  }
  EXPECT_TRUE(inter);
}

TEST(Plan, FromOneNodeTheSecondNodeIsWorthMost) {
  const auto one_node = rows({Placement::even(1, 1), Placement::even(1, 2), Placement::even(1, 4)});
  const MeasurementPlan plan =
      plan_measurements(Predictor(calibrate_observations(one_node, "synthetic")), 0);
  ASSERT_FALSE(plan.steps.empty());
  EXPECT_EQ(plan.steps.front().at.placement.nodes(), 2);
  EXPECT_NE(plan.steps.front().command.find("measure --model "), std::string::npos);
}

TEST(Plan, EachStepNarrowsAndMeasuringItDoes) {
  auto two_nodes = rows();
  std::erase_if(two_nodes, [](const Observation& o) { return o.at.placement.nodes() > 2; });
  const MeasurementPlan plan =
      plan_measurements(Predictor(calibrate_observations(two_nodes, "synthetic")), 0);
  ASSERT_GE(plan.steps.size(), 2u);
  double before = plan.half_width_90;
  for (const MeasurementValue& step : plan.steps) {
    EXPECT_LT(step.half_width_90, before);
    EXPECT_GT(step.gpu_seconds, 0);
    EXPECT_LE(step.at.world_size(), 16);
    EXPECT_LE(step.at.placement.nodes(), 4);
    before = step.half_width_90;
  }
  for (const Uncertainty& u : plan.uncertainty) EXPECT_LE(u.after, u.now + 1e-12);
}

TEST(Plan, BeginsWithTheWidthsThatPredictPrints) {
  Calibration calibration = calibrate_observations(rows(), "synthetic");
  calibration.networks.at(0).interval_scale = 2;  // as after a second fit that missed
  const Predictor predictor(calibration);
  const MeasurementPlan plan = plan_measurements(predictor, 0);
  ASSERT_FALSE(plan.uncertainty.empty());
  for (const Uncertainty& u : plan.uncertainty) {
    const WorkloadCalibration& w = *calibration.find(u.workload);
    const int most = calibration.networks.at(0).max_gpus_per_node;
    const Placement placement = Placement::even((u.world_size + most - 1) / most, u.world_size);
    double sum = 0;
    const std::vector<int>& batches = w.batches_measured;
    const std::set<int> asked = {batches.front(), batches[batches.size() / 2], batches.back()};
    for (const int batch : asked) {
      const Prediction p = predictor.predict(
          u.workload, Configuration{.placement = placement, .local_batch = batch});
      ASSERT_EQ(p.refused, "");
      sum += std::sqrt(p.high / p.low) - 1;
    }
    EXPECT_NEAR(u.now, sum / static_cast<double>(asked.size()), 1e-6)
        << u.workload << " on " << u.world_size;
  }
}

TEST(Plan, NeverAsksForMoreRanksThanTheMachineHas) {
  Calibration calibration = calibrate_observations(rows(), "synthetic");
  calibration.max_ranks = 8;
  for (const MeasurementValue& step : plan_measurements(Predictor(calibration), 0).steps)
    EXPECT_LE(step.at.world_size(), 8);
}

TEST(MeasureCommand, SaysStrategyAndPrecisionAsOptions) {
  const Configuration at{.placement = Placement::even(2, 4),
                         .local_batch = 8,
                         .strategy = "hierarchical",
                         .precision = "bfloat16"};
  EXPECT_EQ(measure_command("m/hierarchical@bfloat16", at),
            "measure --model m --world-sizes 4 --local-batch 8 --strategy hierarchical "
            "--precision bfloat16");
}

TEST(HeldOut, WorkloadsInAnotherPrecisionAreCheckedToo) {
  auto all = rows();
  for (Observation& o : all) o.at.precision = "bfloat16";
  const Calibration calibration = calibrate_observations(all, "synthetic");
  const auto& held_out = calibration.find("large@bfloat16")->held_out;
  ASSERT_TRUE(held_out.has_value());
  EXPECT_EQ(held_out->points, 8);
  EXPECT_EQ(held_out->refused, 0);
}

TEST(ExplanationPlots, AreDrawnWithUnitsOnTheirAxes) {
  const auto all = rows();
  const Calibration calibration = calibrate_observations(all, "synthetic");
  for (const Plot& plot : explanation_plots(explain(calibration, all))) {
    EXPECT_NE(plot.script.find("set xlabel '"), std::string::npos) << plot.name;
    EXPECT_NE(plot.script.find("\nplot "), std::string::npos) << plot.name;
  }
}

}  // namespace
}  // namespace forerun
