// What must not matter: the order of rows, names, the unit of time, how rows are split.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <thread>

#include "calib/calibrate.h"
#include "calib/predictor.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

std::vector<Observation> rows() {
  auto workloads = synthetic_cluster();
  for (auto& w : workloads) w.tell_bytes = false;
  return synthetic_rows(workloads, synthetic_placements(), 0.03, 11);
}

Prediction predict(const std::vector<Observation>& observations,
                   const std::string& model = "large") {
  return Predictor(calibrate_observations(observations, "synthetic"))
      .predict(model, {.placement = Placement::even(4, 16), .local_batch = 24});
}

void expect_same(const Prediction& a, const Prediction& b, double time_factor, double tolerance) {
  ASSERT_EQ(a.refused, "");
  ASSERT_EQ(b.refused, "");
  EXPECT_NEAR(b.step_time / a.step_time, time_factor, tolerance * time_factor);
  EXPECT_NEAR(b.low / a.low, time_factor, tolerance * time_factor);
  EXPECT_NEAR(b.high / a.high, time_factor, tolerance * time_factor);
}

TEST(Invariance, OrderOfRows) {
  auto shuffled = rows();
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(5));
  const Prediction a = predict(rows()), b = predict(shuffled);
  EXPECT_EQ(a.step_time.value(), b.step_time.value());  // to the last bit
  EXPECT_EQ(a.high.value(), b.high.value());
}

TEST(Invariance, SameInputSameNumbers) {
  EXPECT_EQ(predict(rows()).step_time.value(), predict(rows()).step_time.value());
}

TEST(Invariance, Names) {
  auto renamed = rows();
  for (Observation& o : renamed) o.model = o.model == "large" ? "a b,c" : "zzz";
  expect_same(predict(rows()), predict(renamed, "a b,c"), 1, 1e-6);
}

TEST(Invariance, UnitsOfTime) {
  auto milliseconds = rows();
  for (Observation& o : milliseconds) o.step_time_s *= 1000;
  expect_same(predict(rows()), predict(milliseconds), 1000, 1e-3);
}

TEST(Invariance, ARowSplitIntoTwoEqualOnes) {
  auto split = rows();
  split[5].steps /= 2;
  split.push_back(split[5]);
  expect_same(predict(rows()), predict(split), 1, 1e-6);
}

TEST(Invariance, ManyThreadsAskingAtOnce) {
  const Predictor predictor(calibrate_observations(rows(), "synthetic"));
  std::vector<Configuration> at;
  for (int gpus = 1; gpus <= 64; ++gpus)
    at.push_back({.placement = Placement::even((gpus + 3) / 4, gpus), .local_batch = 24});
  const std::vector<Prediction> alone =
      Predictor(predictor.calibration()).predict("large", at);  // conditioned anew
  std::vector<std::vector<Prediction>> answers(4);
  std::vector<std::thread> threads;
  for (auto& answer : answers)
    threads.emplace_back([&] { answer = predictor.predict("large", at); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& answer : answers) {
    for (size_t i = 0; i < at.size(); ++i) {
      EXPECT_EQ(answer[i].step_time.value(), alone[i].step_time.value());
      EXPECT_EQ(answer[i].low.value(), alone[i].low.value());
    }
  }
}

/// Laws over arbitrary subsets of the rows with arbitrary times.
std::vector<Observation> arbitrary_rows() {
  auto some = rows();
  const auto keep = *rc::gen::container<std::vector<bool>>(some.size(), rc::gen::arbitrary<bool>());
  const auto quarters = *rc::gen::container<std::vector<int>>(some.size(), rc::gen::inRange(-8, 9));
  std::vector<Observation> out;
  for (size_t i = 0; i < some.size(); ++i) {
    if (!keep[i]) continue;
    some[i].step_time_s *= std::exp(0.05 * quarters[i]);
    out.push_back(some[i]);
  }
  RC_PRE(!out.empty());
  return out;
}

/// Every answer, refusals in words, so that two calibrations can be compared.
std::vector<Prediction> answers(const Calibration& calibration, const std::string& model) {
  std::vector<Configuration> at;
  for (const int gpus : {1, 2, 4, 8, 16})
    at.push_back({.placement = Placement::even((gpus + 3) / 4, gpus), .local_batch = 24});
  return Predictor(calibration).predict(model, at);
}

void expect_same_answers(const std::vector<Prediction>& a, const std::vector<Prediction>& b,
                         double factor, double tolerance) {
  for (size_t i = 0; i < a.size(); ++i) {
    RC_ASSERT(a[i].refused.empty() == b[i].refused.empty());
    if (!a[i].refused.empty()) continue;
    RC_ASSERT(std::isfinite(a[i].high.value()) && a[i].low.value() > 0);
    RC_ASSERT(std::fabs(b[i].step_time / a[i].step_time / factor - 1) <= tolerance);
    RC_ASSERT(std::fabs(b[i].low / a[i].low / factor - 1) <= tolerance);
    RC_ASSERT(std::fabs(b[i].high / a[i].high / factor - 1) <= tolerance);
  }
}

// Each case calibrates twice: a few cases, not a hundred.
struct FewCases {
  FewCases() { setenv("RC_PARAMS", "max_success=12 max_size=50 seed=20", 0); }
} const kFewCases;

RC_GTEST_PROP(InvarianceLaw, OrderOfRows, ()) {
  const auto some = arbitrary_rows();
  auto shuffled = some;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(*rc::gen::arbitrary<unsigned>()));
  const Calibration a = calibrate_observations(some, ""), b = calibrate_observations(shuffled, "");
  expect_same_answers(answers(a, some[0].model), answers(b, some[0].model), 1, 0);
}

RC_GTEST_PROP(InvarianceLaw, ARowSplitIntoTwoEqualOnes, ()) {
  const auto some = arbitrary_rows();
  auto split = some;
  const size_t i = *rc::gen::inRange<size_t>(0, split.size());
  split[i].steps /= 2;
  split.push_back(split[i]);
  const Calibration a = calibrate_observations(some, ""), b = calibrate_observations(split, "");
  expect_same_answers(answers(a, some[0].model), answers(b, some[0].model), 1, 1e-6);
}

TEST(Invariance, AnotherCluster) {
  auto both = rows();
  for (Observation& o : both) o.cluster = "here";
  auto elsewhere = rows();
  for (Observation& o : elsewhere) {
    o.cluster = "elsewhere";
    o.step_time_s *= 1 + 0.1 * o.at.world_size();
    both.push_back(o);
  }
  expect_same(predict(rows()), predict(both, "here:large"), 1, 1e-9);
}

}  // namespace
}  // namespace forerun
