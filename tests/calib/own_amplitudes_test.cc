#include "calib/own_amplitudes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "calib/calibrate.h"
#include "calib/predictor.h"
#include "calib/report.h"
#include "model/error.h"
#include "model/io/atomic_file.h"
#include "model/statistics.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

/// One row on each of `scales` scales.
WorkloadEvidence workload_on(int scales) {
  WorkloadEvidence w;
  for (int n = 1; n <= scales; ++n) {
    FitPoint point;
    point.at = {.placement = Placement::even(n, 2 * n), .local_batch = 8};
    w.points.push_back(point);
  }
  return w;
}

/// As many rows that know nothing of each other, each missed by `miss` standard deviations.
SolvedSeries missed_by(double miss, int rows) {
  SolvedSeries solved;
  solved.cholesky.compute(Eigen::MatrixXd::Identity(rows, rows));
  solved.solved_excess = Eigen::VectorXd::Constant(rows, miss);
  solved.solved_network = Eigen::MatrixXd::Zero(rows, kNetworkParameters);
  return solved;
}

TEST(OwnAmplitudes, ByHand) {
  Evidence evidence;
  evidence.workloads = {workload_on(2), workload_on(2), workload_on(1)};
  const std::vector<SolvedSeries> solved = {missed_by(3 * kNormal90, 2), missed_by(kNormal90, 2),
                                            missed_by(9, 1)};
  // (2 * 2 * 3 + 4) / (2 + 4) for the first, which had an amplitude of 2; (2 * 1.5 * 1 + 4) / 6.
  const OwnAmplitudes found =
      own_amplitudes(evidence, solved, NetworkVector::Zero(), {2, 1.5, 1.2});
  EXPECT_NEAR(found.of_all, 7.0 / 6, 1e-12);
  ASSERT_EQ(found.more.size(), 3u);
  EXPECT_NEAR(found.more[0], (16.0 / 6) / (7.0 / 6), 1e-12);
  EXPECT_EQ(found.more[1], 1);
  EXPECT_EQ(found.more[2], 1);  // one scale: nothing to leave out
}

TEST(OwnAmplitudes, AreOneWhereOnlyOneWorkloadHasTwoScales) {
  Evidence evidence;
  evidence.workloads = {workload_on(2), workload_on(1)};
  const OwnAmplitudes found =
      own_amplitudes(evidence, {missed_by(9, 2), missed_by(9, 1)}, NetworkVector::Zero(), {3, 1});
  EXPECT_EQ(found.of_all, 1);
  EXPECT_EQ(found.more, (std::vector<double>{1, 1}));
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

TEST(OwnAmplitudes, GrowOfTheWorkloadThatScalesDisturb) {
  const Calibration calibration = calibrate_observations(four_workloads(0.4), "synthetic");
  for (const WorkloadCalibration& w : calibration.workloads) {
    if (w.name == "irregular") {
      EXPECT_GT(w.amplitude, 2);
    } else {
      EXPECT_LT(w.amplitude, 1.5) << w.name;
    }
  }
}

TEST(OwnAmplitudes, AreReported) {
  const Calibration calibration = calibrate_observations(four_workloads(0.4), "synthetic");
  const std::string text = calibration_text(calibration);
  EXPECT_NE(text.find("times as irregular as is usual here"), std::string::npos) << text;
  EXPECT_NE(text.find("  irregular is 2."), std::string::npos) << text;
  EXPECT_EQ(text.find("calm is"), std::string::npos);
  EXPECT_GT(calibration_json(calibration)["models"]["irregular"]["amplitude"], 2);
}

TEST(OwnAmplitudes, KeepTheOthersIntervalsNarrow) {
  const Configuration beyond{.placement = Placement::even(8, 32), .local_batch = 32};
  const auto log_width = [&](const char* model, double disturbed, const Ingredients& ingredients) {
    const Prediction p =
        Predictor(calibrate_observations(four_workloads(disturbed), "synthetic", ingredients))
            .predict(model, beyond);
    return std::log(p.high / p.low);
  };
  EXPECT_LT(log_width("calm", 0.4, {}), 0.7 * log_width("calm", 0.4, {.own_amplitudes = false}));
  EXPECT_GT(log_width("irregular", 0.4, {}), 2 * log_width("irregular", 0, {}));
}

TEST(OwnAmplitudes, OfAWorkloadAloneAreItsClusters) {
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

TEST(OwnAmplitudes, AreNearOneWhereAllAreAlike) {
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

TEST(OwnAmplitudes, AreKeptInTheFileAndOneInOlderOnes) {
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

}  // namespace
}  // namespace forerun
