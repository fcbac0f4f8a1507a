#include "predict/advice.h"

#include <gtest/gtest.h>

#include "tests/predict/hand_made.h"

namespace forerun {
namespace {

std::vector<std::string> commands(const Question& question, const Subject& subject) {
  std::vector<std::string> out;
  for (const NextMeasurement& next : make_forecast(question, subject).next_measurements) {
    out.push_back(next.command);
  }
  return out;
}

TEST(NextMeasurements, WithinWhatIsKnownWellThereAreNone) {
  EXPECT_TRUE(commands(hand_made_question(64), hand_made_subject(0.01)).empty());
}

TEST(NextMeasurements, TheScaleBeyondTheMeasuredOne) {
  Question q = hand_made_question(64);
  q.gpus = {1, 8, 16, 32};
  EXPECT_EQ(commands(q, hand_made_subject(0.01)),
            (std::vector<std::string>{"measure --model net --batch 64 --world-sizes 16"}));
}

TEST(NextMeasurements, OfManyBatchesTheRecommendedLocalOne) {
  Question q = hand_made_question(64);
  q.gpus = {1, 2, 16};
  q.vary_batch = true;
  const Forecast f = make_forecast(q, hand_made_subject(0.01));
  ASSERT_EQ(f.recommended()->at.local_batch, 64);
  EXPECT_EQ(f.next_measurements.front().command,
            "measure --model net --batch 1024 --world-sizes 16");
}

TEST(NextMeasurements, MemoryAndNoiseScaleWhereTheyAreUnknown) {
  Question q = hand_made_question(64);
  q.vary_batch = true;
  Subject s = hand_made_subject(0.01);
  s.workload.memory.reset();
  EXPECT_EQ(commands(q, s), (std::vector<std::string>{
                                "measure --model net --batch 64 --world-sizes 1",
                                "measure train --model net --batch 64 --epochs 1 --data PATH"}));
}

}  // namespace
}  // namespace forerun
