#include "predict/report/skill.h"

#include <gtest/gtest.h>

#include <sstream>

#include "predict/report/checks_csv.h"
#include "tests/predict/report/example.h"

namespace forerun {
namespace {

using report_example::compare;

std::vector<RunCheck> checks_with(const std::vector<double>& errors) {
  std::vector<RunCheck> checks;
  int batch = 8;
  for (const double error : errors) checks.push_back(compare("m", 2, batch++, error));
  return checks;
}

TEST(MeasureSkill, ByHand) {
  // The interval of two ranks is +-6.5 % of the prediction.
  const Skill skill = measure_skill(checks_with({0.01, -0.03, 0.02, 0.12}));
  EXPECT_EQ(skill.configurations, 4);
  EXPECT_NEAR(skill.ape_median, 0.025, 1e-12);
  EXPECT_NEAR(skill.ape_worst, 0.12, 1e-12);
  EXPECT_EQ(skill.inside, 3);
  EXPECT_EQ(skill.most_ranks, 2);
}

TEST(MeasureSkill, WhatWasMeasuredBeforeOrRefusedDoesNotCount) {
  std::vector<RunCheck> checks = checks_with({0.01, 0.5, 0.5});
  checks[1].measured_before = true;
  checks[2].predicted.refused = "no network";
  const Skill skill = measure_skill(checks);
  EXPECT_EQ(skill.configurations, 1);
  EXPECT_EQ(skill.measured_before, 1);
  EXPECT_EQ(skill.refused, 1);
  EXPECT_NEAR(skill.ape_worst, 0.01, 1e-12);
}

TEST(MeasureSkill, BaselinesOnTheSameRuns) {
  std::vector<RunCheck> checks = checks_with({0.01, 0.02, 0.03});
  for (RunCheck& check : checks) check.naive_s["ideal"] = 0.8 * check.observed_s;
  checks[1].measured_before = true;
  const Skill skill = measure_skill(checks);
  EXPECT_EQ(skill.naive.at("ideal").configurations, 2);
  EXPECT_NEAR(skill.naive.at("ideal").ape_median, 0.2, 1e-12);
}

TEST(Headline, SaysHowManyHowWrongHowManyInside) {
  EXPECT_EQ(
      headline(measure_skill(checks_with({0.01, -0.03, 0.02, 0.12}))),
      "4 configurations that were not measured before: median error 2.5 %, worst 12 %, 3 of 4 "
      "inside the 90 % interval.");
  EXPECT_EQ(headline(measure_skill(checks_with({0.031}))),
            "1 configuration that was not measured before: error 3.1 %, inside the 90 % interval.");
  EXPECT_EQ(headline(measure_skill({})), "No prediction has been checked against a run yet.");
}

TEST(Judge, FollowsErrorCoverageAndBaselines) {
  const auto trust = [](const std::vector<double>& errors) {
    return judge(measure_skill(checks_with(errors))).trust;
  };
  EXPECT_EQ(trust({}), Trust::kUnchecked);
  EXPECT_EQ(trust({0.01, 0.02}), Trust::kFair);  // too few
  EXPECT_EQ(trust({0.01, 0.02, -0.01, 0.03}), Trust::kGood);
  EXPECT_EQ(trust({0.04, 0.02, -0.05, 0.09}), Trust::kFair);  // one of four outside
  EXPECT_EQ(trust({0.2, 0.3, 0.25, 0.16}), Trust::kPoor);
  EXPECT_EQ(trust({0.08, -0.09, 0.01, 0.02}), Trust::kPoor);  // half of them outside
}

TEST(Judge, IsNotImpressedWhereABaselineWins) {
  std::vector<RunCheck> checks = checks_with({0.01, 0.02, -0.01, 0.03});
  for (RunCheck& check : checks) check.naive_s["ideal"] = 1.001 * check.observed_s;
  EXPECT_EQ(judge(measure_skill(checks)).trust, Trust::kFair);
}

TEST(ChecksCsv, EveryRowHasEveryColumn) {
  std::vector<RunCheck> checks = checks_with({0.25});
  checks.push_back(compare("m", 4, 8, 0));
  checks.back().predicted.refused = "no network was measured; run measure";
  std::istringstream lines(checks_csv(checks));
  std::string header, ok, refused;
  std::getline(lines, header);
  std::getline(lines, ok);
  std::getline(lines, refused);
  const auto columns = [](const std::string& line) {
    return std::count(line.begin(), line.end(), ',');
  };
  EXPECT_EQ(columns(ok), columns(header));
  EXPECT_EQ(columns(refused), columns(header));
  EXPECT_EQ(header.rfind("model,nodes,gpus,placement,local_batch,", 0), 0u);
  EXPECT_EQ(ok.rfind("m,1,2,2,8,1,16,ddp,float32,test,1,50,", 0), 0u);
  EXPECT_NE(ok.find(",0.25,no,no,"), std::string::npos);
  EXPECT_NE(refused.find(",,,,,,no,"), std::string::npos);
}

}  // namespace
}  // namespace forerun
