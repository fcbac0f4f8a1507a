#include "predict/table.h"

#include <gtest/gtest.h>

#include <sstream>

#include "model/io/atomic_file.h"
#include "tests/predict/hand_made.h"

namespace forerun {
namespace {

Forecast golden_forecast() {
  unsetenv("SLURM_JOB_ID");
  Question q = hand_made_question(96);
  q.gpus = {1, 2, 4, 5, 8, 12};
  q.samples = 1e6;
  q.price_per_gpu_hour = 2;
  Subject s = hand_made_subject();
  refuse_beyond(s, 2);
  return make_forecast(q, s);
}

TEST(ForecastText, Golden) {  // new text on purpose? UPDATE_GOLDEN=1 rewrites the file
  const char* path = FORERUN_SOURCE_DIR "/tests/predict/forecast.golden.txt";
  const std::string text = to_text(golden_forecast(), false);
  if (std::getenv("UPDATE_GOLDEN") != nullptr) write_file_atomically(path, text);
  EXPECT_EQ(text, read_file(path));
}

TEST(ForecastText, StaysWithinAHundredColumns) {
  for (const bool vary : {false, true}) {
    Question q = hand_made_question(1024);
    q.vary_batch = vary;
    q.max_gpus = 20;
    q.samples = 1e9;
    q.price_per_gpu_hour = 30;
    std::istringstream lines(to_text(make_forecast(q, hand_made_subject(0.3)), false));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("Launch")) continue;  // to be copied as a whole
      EXPECT_LE(line.size(), 100u) << line;
    }
  }
}

TEST(ForecastText, ManyGpuCountsThatDoNotDivideTakeOneLine) {
  Question q = hand_made_question(96);
  q.max_gpus = 12;
  const std::string text = to_text(make_forecast(q, hand_made_subject()), false);
  EXPECT_NE(text.find("not shown: 5, 7 and 9-11 GPUs, by which batch 96 does not divide\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("96 does not divide by 5"), std::string::npos) << text;
}

TEST(ForecastText, AHundredGpuCountsAreCutDownToLandmarks) {
  Question q = hand_made_question(96);
  q.max_gpus = 100;
  q.vary_batch = true;
  const Forecast f = make_forecast(q, hand_made_subject());
  std::istringstream lines(to_text(f, false));
  int rows = 0;
  bool recommended = false;
  for (std::string line; std::getline(lines, line) && !line.starts_with("Recommended");) {
    rows += line.ends_with("GB");
    recommended |= line.starts_with(">");
  }
  EXPECT_LE(rows, 12);
  EXPECT_GE(rows, 8);
  EXPECT_TRUE(recommended);
}

TEST(ForecastText, ColoursOnlyWhenAsked) {
  EXPECT_EQ(to_text(golden_forecast(), false).find('\033'), std::string::npos);
  EXPECT_NE(to_text(golden_forecast(), true).find("\033[1m>"), std::string::npos);
}

}  // namespace
}  // namespace forerun
