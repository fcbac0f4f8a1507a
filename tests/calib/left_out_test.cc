#include "calib/left_out.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include "calib/calibrate.h"
#include "calib/predictor.h"
#include "calib/report.h"
#include "model/error.h"
#include "model/io/atomic_file.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

/// Three batches on each of one, two, four and eight ranks of a node.
Series random_series(unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<> normal;
  Series series = empty_series(12);
  series.workload_prior_sd.setConstant(0.3);
  series.amplitude = 1.5;
  for (Eigen::Index i = 0; i < 12; ++i) {
    const Eigen::Index ranks = i / 3;
    series.at[static_cast<size_t>(i)] = {.at = {.batch = 1.0 + static_cast<double>(i % 3),
                                                .ranks_per_node = static_cast<double>(ranks)},
                                         .communication_share = 0.1 * static_cast<double>(ranks)};
    series.excess[i] = 0.1 * normal(random);
    series.base_noise[i] = 1e-4;
    series.by_network(i, 0) = normal(random);
    series.by_workload.row(i).setConstant(0.5 + 0.1 * normal(random));
  }
  return series;
}

/// `rows` of a vector or matrix with zero mean and covariance `k` from all its other rows.
LeftOut predicted_from_the_rest(const Eigen::MatrixXd& k, const Eigen::VectorXd& y,
                                const RowGroup& rows) {
  RowGroup rest;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (std::ranges::find(rows, i) == rows.end()) rest.push_back(i);
  }
  const Eigen::MatrixXd gain =
      Eigen::LLT<Eigen::MatrixXd>(k(rest, rest)).solve(Eigen::MatrixXd(k(rest, rows))).transpose();
  const Eigen::MatrixXd left = Eigen::MatrixXd(k(rows, rows)) - gain * k(rest, rows);
  const Eigen::VectorXd miss = y(rows) - gain * y(rest);
  return {miss.array() / left.diagonal().array().sqrt(), left.diagonal()};
}

TEST(LeaveOut, IsPredictingFromTheRest) {
  const Series series = random_series(5);
  const SolvedSeries solved = solve_series(series, default_process());
  const Eigen::MatrixXd k = solved.cholesky.reconstructedMatrix();
  const std::vector<RowGroup> groups = {{0, 1, 2}, {4}, {5, 9, 11}};
  const NetworkVector deviation = NetworkVector::Constant(0.2);
  const LeftOut left_out = leave_out(solved, deviation, groups);
  const Eigen::VectorXd y = series.excess - series.by_network * deviation;
  for (const RowGroup& group : groups) {
    const LeftOut expected = predicted_from_the_rest(k, y, group);
    for (size_t i = 0; i < group.size(); ++i) {
      const auto row = static_cast<Eigen::Index>(i);
      EXPECT_NEAR(left_out.miss[group[i]], expected.miss[row], 1e-8);
      EXPECT_NEAR(left_out.variance[group[i]], expected.variance[row], 1e-10);
    }
  }
  EXPECT_EQ(left_out.miss[3], 0);  // in no group
}

TEST(LeaveOut, AnAmplifiedSeriesMissesByFewerStandardDeviations) {
  Series series = random_series(5);
  const auto misses = [&](double amplitude) {
    series.amplitude = amplitude;
    const SolvedSeries solved = solve_series(series, default_process());
    return leave_out(solved, NetworkVector::Zero(), one_by_one(12)).miss.cwiseAbs().sum();
  };
  EXPECT_LT(misses(3), 0.5 * misses(1));
}

/// The synthetic cluster with workloads `calm` and `irregular` beside its own two; each step of the
/// last takes `disturbed` e-folds more or less, the same at all batches of a scale.
std::vector<Observation> four_workloads(double disturbed) {
  auto workloads = synthetic_cluster();
  workloads.push_back(workloads[0]);
  workloads.back().name = "calm";
  workloads.push_back(workloads[1]);
  workloads.back().name = "irregular";
  auto rows = synthetic_rows(workloads, synthetic_placements(), 0.02, 3);
  bool slower = false;
  Placement last;
  for (Observation& o : rows) {
    if (o.model != "irregular" || o.at.world_size() == 1) continue;
    if (!(o.at.placement == last)) slower = !slower;
    last = o.at.placement;
    o.step_time_s *= std::exp(slower ? disturbed : -disturbed);
  }
  return rows;
}

TEST(Amplitude, GrowsOfTheWorkloadThatScalesDisturb) {
  const Calibration calibration = calibrate_observations(four_workloads(0.4), "synthetic");
  for (const WorkloadCalibration& w : calibration.workloads) {
    if (w.name == "irregular") {
      EXPECT_GT(w.amplitude, 2);
    } else {
      EXPECT_LT(w.amplitude, 1.5) << w.name;
    }
  }
}

TEST(Amplitude, IsReported) {
  const Calibration calibration = calibrate_observations(four_workloads(0.4), "synthetic");
  const std::string text = calibration_text(calibration);
  EXPECT_NE(text.find("times as irregular as is usual here"), std::string::npos) << text;
  EXPECT_NE(text.find("  irregular is 2."), std::string::npos) << text;
  EXPECT_EQ(text.find("calm is"), std::string::npos);
  EXPECT_GT(calibration_json(calibration)["models"]["irregular"]["amplitude"], 2);
}

TEST(Amplitude, KeepsTheOthersIntervalsNarrow) {
  const Configuration beyond{.placement = Placement::even(8, 32), .local_batch = 32};
  const auto half_width = [&](const char* model, double disturbed, const Ingredients& ingredients) {
    const Prediction p =
        Predictor(calibrate_observations(four_workloads(disturbed), "synthetic", ingredients))
            .predict(model, beyond);
    return std::log(p.high / p.low);
  };
  EXPECT_LT(half_width("calm", 0.4, {}), 0.7 * half_width("calm", 0.4, {.own_amplitudes = false}));
  EXPECT_GT(half_width("irregular", 0.4, {}), 2 * half_width("irregular", 0, {}));
}

TEST(Amplitude, OfAWorkloadAloneIsItsCluster) {
  const auto rows = four_workloads(0.4);
  std::vector<Observation> alone;
  for (const Observation& o : rows) {
    if (o.model == "irregular") alone.push_back(o);
  }
  EXPECT_EQ(calibrate_observations(alone, "synthetic").find("irregular")->amplitude, 1);
  alone.push_back(rows.front());  // another's, on one GPU: nothing to compare with
  ASSERT_EQ(alone.back().at.world_size(), 1);
  EXPECT_EQ(calibrate_observations(alone, "synthetic").find("irregular")->amplitude, 1);
}

TEST(Amplitude, IsNearOneWhereAllAreAlike) {
  for (const double noise : {0.0, 0.02}) {
    auto workloads = synthetic_cluster();
    workloads.push_back(workloads[0]);
    workloads.back().name = "third";
    const auto rows = synthetic_rows(workloads, synthetic_placements(), noise, 6);
    const Calibration calibration = calibrate_observations(rows, "synthetic");
    double least = 1e9;
    for (const WorkloadCalibration& w : calibration.workloads) {
      EXPECT_LT(w.amplitude, 2) << w.name << ", noise " << noise;
      least = std::min(least, w.amplitude);
    }
    EXPECT_EQ(least, 1);
  }
}

TEST(Amplitude, IsKeptInTheFileAndOneInOlderOnes) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "amplitude" / "calibration.json";
  std::filesystem::create_directories(path.parent_path());
  const Calibration calibration = calibrate_observations(four_workloads(0.4), "synthetic");
  save_calibration(path, calibration);
  EXPECT_EQ(load_calibration(path).find("irregular")->amplitude,
            calibration.find("irregular")->amplitude);
  Json file = Json::parse(read_file(path));
  for (Json& w : file["workloads"]) w.erase("amplitude");
  write_file_atomically(path, file.dump());
  EXPECT_EQ(load_calibration(path).find("irregular")->amplitude, 1);
  file["workloads"][0]["amplitude"] = 0.5;
  write_file_atomically(path, file.dump());
  EXPECT_THROW(load_calibration(path), Error);
}

TEST(TwoNodes, AreToldApartByTheData) {
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
