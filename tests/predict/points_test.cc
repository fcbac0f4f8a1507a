#include "predict/points.h"

#include <gtest/gtest.h>

#include <sstream>

namespace forerun {
namespace {

CsvTable table(const std::string& header, const std::vector<std::vector<std::string>>& rows) {
  CsvTable out;
  out.file = "points.csv";
  std::istringstream names(header);
  for (std::string name; std::getline(names, name, ',');) out.header.fields.push_back(name);
  for (const auto& fields : rows) out.rows.push_back({0, fields});
  return out;
}

TEST(PredictPoints, KeepsTheOrderAndAsksOncePerModel) {
  int calls = 0;
  const auto step_times = [&](const std::string&, const std::string& model,
                              const std::vector<Configuration>& at) {
    ++calls;
    std::vector<Prediction> out(at.size());
    for (size_t i = 0; i < at.size(); ++i) {
      if (model == "unknown") {
        out[i].refused = "never measured, \"really\"";
      } else {
        out[i].step_time = Seconds<>(at[i].local_batch * 0.5);
        out[i].low = Seconds<>(at[i].local_batch * 0.25);
        out[i].high = Seconds<>(at[i].local_batch);
      }
    }
    return out;
  };
  const CsvTable points =
      table("colour,model,nodes,gpus,local_batch", {{"dark\nred", "a", "1", "1", "8"},
                                                    {"", "unknown", "1", "2", "8"},
                                                    {"\"blue\"", "a", "3", "10", "4"}});
  const std::string csv = predict_points(points, step_times);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(csv,
            "colour,model,nodes,gpus,local_batch,predicted_step_time_s,low_s,high_s,status,reason\n"
            "\"dark\nred\",a,1,1,8,4,2,8,ok,\n"
            ",unknown,1,2,8,,,,refused,\"never measured, \"\"really\"\"\"\n"
            "\"\"\"blue\"\"\",a,3,10,4,2,1,4,ok,\n");
}

TEST(PredictPoints, SaysWhereAMeasurementIsNotExpected) {
  const auto step_times = [](const std::string&, const std::string&,
                             const std::vector<Configuration>& at) {
    std::vector<Prediction> out(at.size());
    out[0].unexpected = {Seconds<>(0.25), Seconds<>(0.125)};
    return out;
  };
  const std::string csv =
      predict_points(table("model,nodes,gpus,local_batch", {{"a", "1", "2", "8"}}), step_times);
  EXPECT_NE(
      csv.find(",ok,\"measured at 250 ms a step, where all measurements together expect 125 ms"),
      std::string::npos)
      << csv;
}

TEST(PredictPoints, ReplacesWhatAnEarlierAnswerAdded) {
  const auto step_times = [](const std::string&, const std::string&,
                             const std::vector<Configuration>& at) {
    return std::vector<Prediction>(at.size());
  };
  const std::string csv = predict_points(
      table("low_s,model,reason,nodes,gpus,local_batch", {{"7", "a", "old", "1", "1", "8"}}),
      step_times);
  EXPECT_EQ(csv,
            "model,nodes,gpus,local_batch,predicted_step_time_s,low_s,high_s,status,reason\n"
            "a,1,1,8,0,0,0,ok,\n");
}

}  // namespace
}  // namespace forerun
