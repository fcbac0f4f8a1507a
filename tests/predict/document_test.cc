#include "predict/document.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "model/io/atomic_file.h"
#include "tests/predict/hand_made.h"

namespace forerun {
namespace {

/// Complaints of the shipped schema about `document`; empty if it is valid.
std::string complaints(const Json& document) {
  using Adapter = valijson::adapters::NlohmannJsonAdapter;
  const auto schema_json =
      nlohmann::json::parse(read_file(FORERUN_SOURCE_DIR "/model/io/schema/forecast.schema.json"));
  const auto document_json = nlohmann::json::parse(document.dump());
  valijson::Schema schema;
  valijson::SchemaParser(valijson::SchemaParser::kDraft7)
      .populateSchema(Adapter(schema_json), schema);
  valijson::ValidationResults results;
  std::string out;
  valijson::Validator validator;
  if (validator.validate(schema, Adapter(document_json), &results)) return out;
  for (const auto& error : results) out += error.description + "\n";
  return out.empty() ? "invalid" : out;
}

Forecast some_forecast() {
  Question q = hand_made_question(96);
  q.gpus = {1, 2, 4, 5, 8};
  q.samples = 1e6;
  q.price_per_gpu_hour = 2;
  Subject s = hand_made_subject();
  refuse_beyond(s, 1);
  return make_forecast(q, s);
}

// Eight GPUs lose only because their measurement was slow.
TEST(ForecastJson, SaysWhatWasMeasuredAndIsNotExpected) {
  Question q = hand_made_question(96);
  q.gpus = {4, 8};
  Subject s = hand_made_subject();
  s.predict = [known = s.predict](const std::vector<Configuration>& at) {
    std::vector<Prediction> out = known(at);
    for (size_t i = 0; i < at.size(); ++i) {
      if (at[i].world_size() != 8) continue;
      out[i].unexpected = {Seconds<>(2), out[i].step_time, 1};
      out[i].high = out[i].step_time = Seconds<>(2);
    }
    return out;
  };
  const Forecast f = make_forecast(q, s);
  const Json j = to_json(f);
  EXPECT_EQ(complaints(j), "");
  EXPECT_EQ(j["recommendation"]["gpus"], 4);
  EXPECT_EQ(j["candidates"][1]["unexpected"]["measured_s"], 2.0);
  EXPECT_TRUE(j["candidates"][0]["unexpected"].is_null());
  const auto says = [](const std::string& note) {
    return note.starts_with("8 GPUs x 12: measured at 2.00 s a step, where all measurements");
  };
  EXPECT_EQ(std::ranges::count_if(f.notes, says), 1);
  // It is what another measurement would settle.
  EXPECT_TRUE(std::ranges::any_of(f.next_measurements, [](const NextMeasurement& next) {
    return next.command.ends_with("--world-sizes 8");
  }));
}

TEST(ForecastJson, HoldsThePromisedKeys) {
  const Json j = to_json(some_forecast());
  EXPECT_EQ(j["format"], "forerun-forecast");
  EXPECT_EQ(j["version"], 1);
  for (const char* key : {"gpus",
                          "nodes",
                          "gpus_per_node",
                          "local_batch",
                          "accumulation",
                          "global_batch",
                          "strategy",
                          "step_time_s",
                          "step_time_low_s",
                          "step_time_high_s",
                          "exposed_communication_low_s",
                          "exposed_communication_high_s",
                          "throughput_samples_per_s",
                          "speedup",
                          "efficiency",
                          "time_s",
                          "cost",
                          "peak_memory_bytes",
                          "breakdown",
                          "launch"}) {
    EXPECT_FALSE(j["recommendation"].at(key).is_null()) << key;
    for (const Json& c : j["candidates"]) EXPECT_TRUE(c.contains(key)) << key;
  }
  for (const char* key :
       {"compute_s", "exposed_communication_s", "waiting_s", "loader_s", "optimizer_s"}) {
    EXPECT_TRUE(j["recommendation"]["breakdown"].contains(key)) << key;
  }
  ASSERT_EQ(j["refused"].size(), 1u);
  EXPECT_EQ(j["refused"][0]["gpus"], 8);
  EXPECT_EQ(j["reach"]["measured_max_gpus"], 8);
  EXPECT_FALSE(j["next_measurements"].empty());
}

TEST(ForecastJson, IsValidUnderItsSchema) { EXPECT_EQ(complaints(to_json(some_forecast())), ""); }

TEST(ForecastJson, IsValidWithoutARecommendation) {
  Question q = hand_made_question(96);
  q.gpus = {5, 8};
  Subject s = hand_made_subject();
  refuse_beyond(s, 0);
  const Json j = to_json(make_forecast(q, s));
  EXPECT_TRUE(j["recommendation"].is_null());
  EXPECT_EQ(complaints(j), "");
}

TEST(ForecastJson, TheSchemaRejectsABrokenDocument) {
  Json j = to_json(some_forecast());
  j["recommendation"]["step_time_s"] = -1;
  EXPECT_NE(complaints(j), "");
  j = to_json(some_forecast());
  j["candidates"][0].erase("feasible");
  EXPECT_NE(complaints(j), "");
}

TEST(ForecastJson, PartsAddUpToTheStep) {
  const Json j = to_json(some_forecast());
  double sum = 0;
  for (const auto& [key, value] : j["recommendation"]["breakdown"].items())
    sum += value.get<double>();
  EXPECT_NEAR(sum, j["recommendation"]["step_time_s"], 1e-12);
}

TEST(ForecastCsv, HasARowForEveryConfiguration) {
  const Forecast f = some_forecast();
  std::istringstream lines(to_csv(f));
  std::string header, line;
  std::getline(lines, header);
  const auto commas = [](const std::string& s) { return std::count(s.begin(), s.end(), ','); };
  int rows = 0, recommended = 0;
  while (std::getline(lines, line)) {
    ++rows;
    EXPECT_EQ(commas(line), commas(header)) << line;
    recommended += line.find(",ok,1,") != std::string::npos;
  }
  EXPECT_EQ(rows, 5);
  EXPECT_EQ(recommended, 1);
  EXPECT_NE(to_csv(f).find("infeasible,0,batch 96 does not divide by 5 (95 and 100 do)"),
            std::string::npos);
  EXPECT_NE(to_csv(f).find("refused,0,nothing was measured between nodes"), std::string::npos);
}

}  // namespace
}  // namespace forerun
