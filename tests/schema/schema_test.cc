// The files that the libraries write are what their schemas promise, and the schemas notice when
// they are not.
#include "tests/schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include "calib/calibrate.h"
#include "model/io/observations.h"
#include "tests/model/io/sample_profile.h"
#include "tests/support.h"

namespace forerun {
namespace {

std::string saved(const std::function<void(const std::filesystem::path&)>& save) {
  const TemporaryFolder folder;
  save(folder.path() / "d.json");
  return slurp(folder.path() / "d.json");
}

std::string profile_text() {
  return saved([](const auto& path) { save_profile(path, sample_profile()); });
}
std::string run_text() {
  return saved([](const auto& path) { save_run(path, sample_run()); });
}
/// Calibrated from the one-node and two-node rows of two workloads of the data set that we ship,
/// one of them made twice as long.
std::string calibration_text() {
  std::vector<Observation> rows;
  for (const Observation& row :
       load_observations(FORERUN_SOURCE_DIR "/examples/data/pollux-t4/observations.csv")) {
    if ((row.model == "bert" || row.model == "cifar10") && row.role == "fit") rows.push_back(row);
  }
  const auto slow =
      std::ranges::find_if(rows, [](const Observation& o) { return o.at.world_size() == 4; });
  slow->step_time_s *= 2;
  return saved([&](const auto& path) {
    save_calibration(path, calibrate_observations(rows, "observations.csv"));
  });
}

TEST(Schema, ProfileIsValid) { EXPECT_EQ(schema_complaints("profile", profile_text()), ""); }
TEST(Schema, RunIsValid) { EXPECT_EQ(schema_complaints("run", run_text()), ""); }
TEST(Schema, CalibrationIsValid) {
  const std::string text = calibration_text();
  EXPECT_EQ(schema_complaints("calibration", text), "");
  EXPECT_NE(text.find("\"unexpected\""), std::string::npos);
}

TEST(Schema, AnEmptyProfileIsValid) {
  Profile profile;
  profile.machine = sample_profile().machine;
  EXPECT_EQ(
      schema_complaints("profile", saved([&](const auto& path) { save_profile(path, profile); })),
      "");
}

/// Every key that a schema requires, taken out of a document, is missed; of every number, a text
/// in its place is noticed.
void expect_complaints_about_each_change(const std::string& schema, const std::string& text,
                                         const std::set<std::string>& optional = {}) {
  const Json document = Json::parse(text), flat = document.flatten();
  int changes = 0;
  for (const auto& [place, value] : flat.items()) {
    if (!value.is_number()) continue;
    Json changed = document;
    changed[Json::json_pointer(place)] = "text";
    EXPECT_NE(schema_complaints(schema, changed.dump()), "") << place;
    ++changes;
  }
  EXPECT_GT(changes, 20);
  for (const auto& [key, unused] : document.items()) {
    if (optional.contains(key)) continue;
    Json changed = document;
    changed.erase(key);
    EXPECT_NE(schema_complaints(schema, changed.dump()), "") << key;
  }
}

TEST(Schema, ProfileNoticesChanges) {
  expect_complaints_about_each_change("profile", profile_text(), {"pairs"});
}
TEST(Schema, RunNoticesChanges) {
  expect_complaints_about_each_change("run", run_text(), {"input", "optimizer"});
}

TEST(Schema, ATimeThatIsNotPositiveIsNoticed) {
  Json profile = Json::parse(profile_text());
  profile["network"][0]["samples_s"][0] = 0;
  EXPECT_NE(schema_complaints("profile", profile.dump()), "");
}

TEST(PolluxT4, TheShippedExtractIsWhole) {
  const auto rows =
      load_observations(FORERUN_SOURCE_DIR "/examples/data/pollux-t4/observations.csv");
  EXPECT_EQ(rows.size(), 3326);
  int fit = 0;
  for (const Observation& row : rows) {
    const int nodes = row.at.placement.nodes(), gpus = row.at.world_size();
    const bool small = (nodes == 1 && gpus <= 4) || (nodes == 2 && gpus == 8);
    EXPECT_EQ(row.role, small ? "fit" : "test") << row.model << " on " << row.at.placement.text();
    fit += small;
  }
  EXPECT_EQ(fit, 270);
}

}  // namespace
}  // namespace forerun
