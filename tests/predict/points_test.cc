#include "predict/points.h"

#include <gtest/gtest.h>

#include "tests/predict/hand_made.h"

namespace forerun {
namespace {

Observation point(const std::string& model, int nodes, int gpus, int local_batch) {
  Observation o;
  o.model = model;
  o.at.placement = Placement::even(nodes, gpus);
  o.at.local_batch = local_batch;
  return o;
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
  const std::vector<Observation> points = {point("a", 1, 1, 8), point("unknown", 1, 2, 8),
                                           point("a", 3, 10, 4)};
  const PointColumns columns = point_columns("model,status\n", points);  // not echoed: see below
  const std::string csv = predict_points(points, columns, step_times);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(csv,
            "model,nodes,gpus,placement,local_batch,accumulation,predicted_step_time_s,low_s,"
            "high_s,status,reason\n"
            "a,1,1,1,8,1,4,2,8,ok,\n"
            "unknown,1,2,2,8,1,,,,refused,\"never measured, \"\"really\"\"\"\n"
            "a,3,10,4+3+3,4,1,2,1,4,ok,\n");
}

TEST(PointColumns, AreThoseOfTheFile) {
  const std::string text =
      "# a comment\n"
      "colour,model,nodes,gpus,local_batch\r\n"
      "\"dark\nred\",a,1,1,8\n"
      "\n"
      "# another\n"
      "\"say \"\"blue\"\"\",a,1,2,8";
  std::vector<Observation> points = {point("a", 1, 1, 8), point("a", 1, 2, 8)};
  points[0].line = 4;  // where its row ends
  points[1].line = 7;
  const PointColumns columns = point_columns(text, points);
  EXPECT_EQ(columns.header, "colour,model,nodes,gpus,local_batch");
  EXPECT_EQ(columns.rows[0], "\"dark\nred\",a,1,1,8");
  EXPECT_EQ(columns.rows[1], "\"say \"\"blue\"\"\",a,1,2,8");
}

}  // namespace
}  // namespace forerun
