#include <gtest/gtest.h>

#include "calib/calibrate.h"
#include "model/error.h"
#include "tests/predict/hand_made.h"
#include "tests/support.h"

namespace forerun {
namespace {

/// "net" by zero1 in float32 and by ddp in bfloat16, noiseless.
const Predictor& predictor() {
  static const Predictor made = [] {
    std::vector<Observation> rows = hand_made_observations({.strategy = "zero1"});
    for (Observation& o : hand_made_observations({.precision = "bfloat16"})) {
      o.step_time_s *= 0.5;
      rows.push_back(std::move(o));
    }
    return Predictor(calibrate_observations(rows, "made by hand"));
  }();
  return made;
}

Question question(const char* model, const char* strategy = "ddp", const char* precision = "") {
  Question q;
  q.model = model;
  q.batch = 64;
  q.strategy = strategy;
  q.precision = precision;
  return settled(q, predictor().calibration());
}

TEST(Settled, TakesTheNameOfAWorkloadApart) {
  for (const Question& q : {question("net/zero1"), question("net", "zero1")}) {
    EXPECT_EQ(q.model, "net");
    EXPECT_EQ(q.strategy, "zero1");
    EXPECT_EQ(q.precision, "float32");
  }
}

TEST(Settled, TakesThePrecisionThatWasMeasured) {
  EXPECT_EQ(question("net").precision, "bfloat16");
  EXPECT_EQ(question("net@bfloat16").precision, "bfloat16");
}

TEST(Settled, RefusesWhatWasNotMeasuredInThatWay) {
  const std::string error = error_of([] { question("net", "hierarchical"); });
  EXPECT_NE(error.find("net was never measured with --strategy hierarchical"), std::string::npos)
      << error;
  EXPECT_NE(error.find("measure --model net --strategy hierarchical"), std::string::npos) << error;
  EXPECT_NE(error_of([] { question("net", "ddp", "float32"); }).find("net was never measured"),
            std::string::npos);
}

TEST(Subject, IsOfTheStrategyThatIsAskedFor) {
  const Question zero1 = question("net/zero1");
  const Subject subject = subject_of(predictor(), zero1);
  EXPECT_EQ(subject.workload.name, "net/zero1");
  const Forecast forecast = make_forecast(zero1, subject);
  ASSERT_TRUE(forecast.recommended() != nullptr);
  for (const Candidate& c : forecast.candidates) {
    if (!c.predicted) continue;
    EXPECT_EQ(c.at.strategy, "zero1");
    EXPECT_NEAR(c.prediction.step_time / step_time(hand_made_model(), c.at).total(), 1, 0.02)
        << c.at.placement.text();
  }
  for (const NextMeasurement& next : forecast.next_measurements) {
    EXPECT_NE(next.command.find("--strategy zero1"), std::string::npos) << next.command;
  }
}

}  // namespace
}  // namespace forerun
