#include "calib/predictor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "calib/calibrate.h"
#include "model/error.h"
#include "model/io/json_reader.h"
#include "model/strategy.h"
#include "tests/calib/synthetic.h"
#include "tests/support.h"

namespace forerun {
namespace {

Configuration at(int nodes, int gpus, int batch) {
  return {.placement = Placement::even(nodes, gpus), .local_batch = batch};
}

Calibration synthetic_calibration(const std::vector<Placement>& placements,
                                  bool tell_bytes = true) {
  auto workloads = synthetic_cluster();
  for (auto& w : workloads) w.tell_bytes = tell_bytes;
  return calibrate_observations(synthetic_rows(workloads, placements, 0.02, 3), "synthetic");
}

TEST(Predictor, PassesThroughWhatWasMeasured) {
  const auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0.005, 5);
  const Predictor predictor(calibrate_observations(rows, "synthetic"));
  for (const Observation& o : rows) {
    const Prediction p = predictor.predict(o.model, o.at);
    ASSERT_EQ(p.refused, "");
    EXPECT_NEAR(p.step_time.value() / o.step_time_s, 1, 0.03);
  }
}

Observation& row_of_large(std::vector<Observation>& rows, const Configuration& spot) {
  return *std::ranges::find_if(
      rows, [&](const Observation& o) { return o.model == "large" && o.at == spot; });
}

/// What is said of `large` where a measurement of a synthetic cluster took `factor` times as long,
/// and without the factor.
struct Spoiled {
  double measured_s;
  Prediction with, without;
};
Spoiled spoiled(const Configuration& spot, double factor) {
  auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0.01, 5);
  const Prediction without =
      Predictor(calibrate_observations(rows, "synthetic")).predict("large", spot);
  Observation& row = row_of_large(rows, spot);
  row.step_time_s *= factor;
  return {row.step_time_s,
          Predictor(calibrate_observations(rows, "synthetic")).predict("large", spot), without};
}

TEST(Predictor, AMeasurementNothingElseExpectsIsInsideTheInterval) {
  for (const double factor : {0.5, 2.0}) {
    const Spoiled s = spoiled(at(2, 8, 32), factor);
    EXPECT_FALSE(s.without.unexpected) << s.without.unexpected->text();
    ASSERT_TRUE(s.with.unexpected) << factor;
    EXPECT_DOUBLE_EQ(s.with.unexpected->measured.value(), s.measured_s);
    EXPECT_NEAR(s.with.unexpected->expected / s.without.step_time, 1, 0.03);
    for (const Seconds<> time : {Seconds<>(s.measured_s), s.without.step_time}) {
      EXPECT_LT(s.with.low, time);
      EXPECT_GT(s.with.high, time);
    }
    // A slower one is believed; nobody should choose by a faster one.
    const double point = factor > 1 ? s.measured_s : s.with.unexpected->expected.value();
    EXPECT_DOUBLE_EQ(s.with.step_time.value(), point);
    EXPECT_NEAR(s.with.parts.total() / s.with.step_time, 1, 1e-9);
  }
}

TEST(Predictor, ThreeRunsDoNotSlip) {
  auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0.01, 5);
  const Configuration spot = at(2, 8, 32);
  Observation run = row_of_large(rows, spot);
  const double fast_s = run.step_time_s / 2;
  row_of_large(rows, spot).step_time_s = fast_s;
  for (const double factor : {1.01, 0.99}) {
    run.step_time_s = fast_s * factor;
    rows.push_back(run);
  }
  const Prediction p = Predictor(calibrate_observations(rows, "synthetic")).predict("large", spot);
  ASSERT_TRUE(p.unexpected);
  EXPECT_EQ(p.unexpected->runs, 3);
  EXPECT_NEAR(p.step_time.value() / fast_s, 1, 0.01);
  EXPECT_LT(p.high, p.unexpected->expected);
  EXPECT_EQ(p.unexpected->text().find("slip"), std::string::npos);
}

// It says itself that it may be that far off.
TEST(Predictor, ANoisyMeasurementIsNotUnexpected) {
  auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0.01, 5);
  const Configuration spot = at(2, 8, 32);
  Observation& row = row_of_large(rows, spot);
  row.step_time_s *= 1.3;
  row.steps = 1;
  row.stddev_s = 0.3 * row.step_time_s;
  EXPECT_FALSE(
      Predictor(calibrate_observations(rows, "synthetic")).predict("large", spot).unexpected);
}

// 30 batches on 12 placements are more than are fitted.
TEST(Predictor, AnUnexpectedMeasurementCountsThoughItWasNotFitted) {
  auto workloads = synthetic_cluster();
  workloads.resize(1);
  workloads.front().batches.clear();
  for (int batch = 8; batch < 38; ++batch) workloads.front().batches.push_back(batch);
  std::vector<Placement> placements = synthetic_placements();
  for (const int nodes : {3, 5, 6, 7}) placements.push_back(Placement::even(nodes, 2 * nodes));
  auto rows = synthetic_rows(workloads, placements, 0.01, 5);
  for (Observation& o : rows) o.step_time_s *= o.at == at(2, 8, 20) || o.at == at(2, 8, 21) ? 2 : 1;
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "calibration.json";
  save_calibration(file, calibrate_observations(rows, "synthetic"));
  const Calibration calibration = load_calibration(file);
  const WorkloadCalibration& w = calibration.workloads.front();
  EXPECT_LT(w.points.size(), rows.size());
  for (const int batch : {20, 21}) {
    EXPECT_TRUE(std::ranges::any_of(w.unexpected, [&](const UnexpectedPoint& p) {
      return p.at == at(2, 8, batch);
    })) << batch;
    EXPECT_TRUE(Predictor(calibration).predict(w.name, at(2, 8, batch)).unexpected) << batch;
  }
}

TEST(Predictor, PartsAddUpAndIntervalsHoldThePoint) {
  const Predictor predictor(synthetic_calibration(synthetic_placements()));
  for (const int gpus : {1, 2, 8, 64}) {
    const Prediction p = predictor.predict("large", at((gpus + 3) / 4, gpus, 32));
    ASSERT_EQ(p.refused, "");
    EXPECT_NEAR(p.parts.total() / p.step_time, 1, 1e-9);
    EXPECT_LT(p.low, p.step_time);
    EXPECT_GT(p.high, p.step_time);
  }
}

// 10 s, of which 1 s is exposed; the step may be 2 s shorter or 3 s longer.
TEST(Prediction, ExposedCommunicationTakesAllThatTheStepMayBeOffBy) {
  Prediction p;
  p.step_time = Seconds<>(10);
  p.low = Seconds<>(8);
  p.high = Seconds<>(13);
  p.parts.exposed_communication = Seconds<>(1);
  EXPECT_DOUBLE_EQ(p.exposed_low().value(), 0);
  EXPECT_DOUBLE_EQ(p.exposed_high().value(), 4);
  p.low = Seconds<>(9.5);
  EXPECT_DOUBLE_EQ(p.exposed_low().value(), 0.5);
}

TEST(Predictor, IntervalsWidenBeyondWhatWasMeasured) {
  const Predictor predictor(synthetic_calibration(synthetic_placements()));
  const Prediction inside = predictor.predict("large", at(4, 8, 32));
  const Prediction beyond = predictor.predict("large", at(32, 128, 32));
  EXPECT_GT(beyond.high / beyond.low, inside.high / inside.low);
  EXPECT_DOUBLE_EQ(inside.doublings_beyond, 0);
  EXPECT_DOUBLE_EQ(beyond.doublings_beyond, 4);
}

double width(const Prediction& p) { return p.high / p.low; }

TEST(Predictor, IntervalsWidenBetweenMeasuredBatchesAndBeyondThem) {
  const Predictor predictor(synthetic_calibration(synthetic_placements()));
  for (const int gpus : {1, 2}) {
    const double measured = width(predictor.predict("large", at(1, gpus, 16)));
    EXPECT_GT(width(predictor.predict("large", at(1, gpus, 23))), measured);
    EXPECT_GT(width(predictor.predict("large", at(1, gpus, 128))), measured);
    EXPECT_GT(width(predictor.predict("large", at(1, gpus, 200))),
              width(predictor.predict("large", at(1, gpus, 100))));
  }
}

// Full nodes only, one batch each: how much of a step is compute was not measured.
TEST(Predictor, OneRankIsHardlyKnownWhereOnlyFullNodesWereMeasured) {
  const auto rows = synthetic_rows(
      synthetic_cluster(), {Placement({4}), Placement({4, 4}), Placement({4, 4, 4, 4})}, 0.01, 5);
  const auto truth = synthetic_rows(synthetic_cluster(), {Placement({1})}, 0, 5);
  const Predictor predictor(calibrate_observations(rows, "synthetic"));
  for (const Observation& o : truth) {
    const Prediction p = predictor.predict(o.model, o.at);
    ASSERT_EQ(p.refused, "");
    EXPECT_GT(width(p), 1.8) << o.model;
    EXPECT_LT(p.low.value(), o.step_time_s) << o.model << " " << o.at.local_batch;
    EXPECT_GT(p.high.value(), o.step_time_s) << o.model << " " << o.at.local_batch;
  }
}

TEST(Predictor, RefusesBetweenNodesWhereOnlyOneWasMeasured) {
  const Predictor predictor(
      synthetic_calibration({Placement::even(1, 1), Placement::even(1, 2), Placement::even(1, 4)}));
  EXPECT_EQ(predictor.predict("large", at(1, 8, 32)).refused, "");
  const Prediction p = predictor.predict("large", at(2, 8, 32));
  EXPECT_NE(p.refused.find("nothing was measured between nodes"), std::string::npos) << p.refused;
  EXPECT_NE(p.refused.find("measure --model large"), std::string::npos) << p.refused;
}

TEST(Predictor, RefusesSeveralGpusWhereOnlyOneWasMeasured) {
  const Predictor predictor(synthetic_calibration({Placement::even(1, 1)}));
  EXPECT_NE(predictor.predict("large", at(1, 2, 32)).refused, "");
  EXPECT_EQ(predictor.predict("large", at(1, 1, 24)).refused, "");
}

TEST(Predictor, RefusesAModelThatWasNeverMeasured) {
  const Predictor predictor(synthetic_calibration(synthetic_placements()));
  EXPECT_NE(predictor.predict("gpt2", at(1, 1, 8)).refused.find("measure --model gpt2"),
            std::string::npos);
  Configuration half = at(1, 1, 8);
  half.precision = "bfloat16";
  EXPECT_NE(predictor.predict("large", half).refused.find("--precision bfloat16"),
            std::string::npos);
}

TEST(Predictor, RefusesAWorldFarFromTheMeasuredOnes) {
  const Predictor predictor(synthetic_calibration(synthetic_placements()));  // up to 8
  EXPECT_EQ(predictor.predict("large", at(32, 128, 32)).refused, "");
  const Prediction p = predictor.predict("large", at(33, 132, 32));
  EXPECT_NE(p.refused.find("132 GPUs on 33 nodes is more than 16 times"), std::string::npos)
      << p.refused;
  EXPECT_NE(p.refused.find("--world-sizes 9"), std::string::npos) << p.refused;
}

TEST(Predictor, CallsARankOfAProcessorARank) {
  Calibration calibration = synthetic_calibration({Placement::even(1, 1)});
  calibration.device = "cpu";
  const Prediction p = Predictor(calibration).predict("large", at(1, 2, 32));
  EXPECT_NE(p.refused.find("several ranks of one node"), std::string::npos) << p.refused;
  EXPECT_EQ(p.refused.find("GPU"), std::string::npos) << p.refused;
}

TEST(Predictor, RefusesABatchFarFromTheMeasuredOnes) {
  const Predictor predictor(synthetic_calibration(synthetic_placements()));
  EXPECT_EQ(predictor.predict("large", at(1, 1, 256)).refused, "");
  EXPECT_NE(predictor.predict("large", at(1, 1, 257)).refused.find("local batch 257"),
            std::string::npos);
  EXPECT_NE(predictor.predict("large", at(1, 1, 1)).refused, "");
}

TEST(Predictor, RefusesManyGpusForAWorkloadOfUnknownBytesSeenOnOne) {
  auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0.02, 7);
  std::erase_if(rows,
                [](const Observation& o) { return o.model == "large" && o.at.world_size() > 1; });
  for (Observation& o : rows) {
    if (o.model == "large") o.grad_bytes.reset();
  }
  const Predictor predictor(calibrate_observations(rows, "synthetic"));
  EXPECT_NE(predictor.predict("large", at(2, 8, 32)).refused.find("grad_bytes"), std::string::npos);
  EXPECT_EQ(predictor.predict("small", at(2, 8, 32)).refused, "");
}

/// Of "large" by every strategy, noiseless: synthetic.
std::vector<Observation> rows_of_all_strategies() {
  const SyntheticWorkload large = synthetic_cluster().front();
  std::vector<Observation> rows;
  for (const StrategyPattern& strategy : kStrategyPatterns) {
    for (Observation o : synthetic_rows({large}, synthetic_placements(), 0, 1)) {
      o.at.strategy = strategy.name;
      o.step_time_s = step_time(large.model, o.at).total().value();
      rows.push_back(o);
    }
  }
  return rows;
}

/// With an option to lose what files did not hold once.
class SavedAndLoaded : public testing::TestWithParam<bool> {};

TEST_P(SavedAndLoaded, SaysTheSameOfEveryStrategy) {
  const Calibration calibration = calibrate_observations(rows_of_all_strategies(), "synthetic");
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "calibration.json";
  save_calibration(path, calibration);
  if (GetParam()) {
    Json document = load_document(path, "forerun-calibration", 1);
    for (Json& workload : document["workloads"]) {
      for (Json& point : workload["points"]) point.erase("strategy"), point.erase("precision");
    }
    save_document(path, document);
  }
  const Predictor before(calibration), after(load_calibration(path));
  for (const StrategyPattern& strategy : kStrategyPatterns) {
    for (const int gpus : {1, 4, 8, 16}) {
      Configuration asked = at((gpus + 3) / 4, gpus, 48);
      asked.strategy = strategy.name;
      const Prediction a = before.predict("large", asked), b = after.predict("large", asked);
      ASSERT_EQ(a.refused, "");
      EXPECT_NEAR(a.step_time / b.step_time, 1, 1e-9) << strategy.name << " on " << gpus;
      EXPECT_NEAR(a.high / b.high, 1, 1e-6) << strategy.name << " on " << gpus;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Predictor, SavedAndLoaded, testing::Bool(), [](const auto& of) {
  return of.param ? "ByAnOlderVersion" : "ByThisVersion";
});

/// The same cluster, but every step between nodes takes 20 % more than any formula says.
TEST(Predictor, WhatNodesAddIsNotCompute) {
  const SyntheticWorkload large = synthetic_cluster().front();
  std::vector<Observation> rows = synthetic_rows({large}, synthetic_placements(), 0, 1);
  for (Observation& row : rows) {
    if (row.at.placement.nodes() > 1) row.step_time_s *= 1.2;
  }
  const Predictor predictor(calibrate_observations(rows, "synthetic"));
  const Prediction alone = predictor.predict("large", at(1, 4, 48));
  for (const int nodes : {2, 4}) {
    const Prediction p = predictor.predict("large", at(nodes, 4 * nodes, 48));
    EXPECT_NEAR(p.parts.compute / alone.parts.compute, 1, 0.01) << nodes;
    EXPECT_NEAR(p.parts.total() / p.step_time, 1, 1e-9);
  }
}

TEST(Predictor, AWorkloadAskedForByNameHasItsOwnFormula) {
  const Predictor predictor(calibrate_observations(rows_of_all_strategies(), "synthetic"));
  Configuration hierarchical = at(4, 16, 48);
  hierarchical.strategy = "hierarchical";
  const Seconds<> expected = predictor.predict("large", hierarchical).step_time;
  EXPECT_EQ(predictor.predict("large/hierarchical", at(4, 16, 48)).step_time, expected);
  EXPECT_EQ(predictor.predict("large/hierarchical", hierarchical).step_time, expected);
}

TEST(Predictor, ARefusalAsksForTheStrategyThatMeasureTakes) {
  const Predictor predictor(calibrate_observations(rows_of_all_strategies(), "synthetic"));
  Configuration far = at(4, 16, 48000);
  far.strategy = "hierarchical";
  const std::string refused = predictor.predict("large", far).refused;
  EXPECT_NE(refused.find("measure --model large --strategy hierarchical --local-batch 48000"),
            std::string::npos)
      << refused;
}

TEST(Predictor, ABaselineAnswersOnlyBeyondWhatWasMeasured) {
  Calibration calibration = synthetic_calibration(synthetic_placements());
  const Predictor model(calibration);
  for (WorkloadCalibration& w : calibration.workloads) w.method = "ideal";
  const Predictor baseline(calibration);
  for (const Configuration& inside : {at(1, 1, 32), at(1, 4, 32), at(4, 8, 32)}) {
    EXPECT_EQ(baseline.predict("large", inside).step_time.value(),
              model.predict("large", inside).step_time.value());
  }
  const double alone = model.predict("large", at(1, 1, 32)).step_time.value();
  EXPECT_NEAR(baseline.predict("large", at(4, 16, 32)).step_time.value() / alone, 1, 0.05);
}

TEST(Predictor, KeepsClustersApart) {
  auto rows = synthetic_rows(synthetic_cluster(), synthetic_placements(), 0.02, 7);
  auto other = rows;
  for (Observation& o : rows) o.cluster = "fast";
  for (Observation& o : other) {
    o.cluster = "slow";
    o.step_time_s *= 3;
    rows.push_back(o);
  }
  const Predictor predictor(calibrate_observations(rows, "synthetic"));
  const Prediction fast = predictor.predict("fast:large", at(4, 16, 32)),
                   slow = predictor.predict("slow:large", at(4, 16, 32));
  ASSERT_EQ(fast.refused, "");
  ASSERT_EQ(slow.refused, "");
  EXPECT_NEAR(slow.step_time / fast.step_time, 3, 0.05);
}

}  // namespace
}  // namespace forerun
