// Reads what the programs left in a store: every file against its schema and through its loader.
// Prints one line per file; exit 1 if one is missing or not valid.
#include <cstdio>

#include "model/error.h"
#include "model/io/calibration.h"
#include "model/io/command_line.h"
#include "model/io/profile.h"
#include "model/io/run.h"
#include "tests/schema.h"

namespace {

using namespace forerun;

int failures = 0;

void check(const char* schema, const std::filesystem::path& path) {
  const std::string complaints = schema_complaints(schema, read_file(path));
  std::printf("%s: %s\n", path.c_str(), complaints.empty() ? "valid" : complaints.c_str());
  if (!complaints.empty()) ++failures;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::printf("missing: %s\n", what);
  ++failures;
}

void check_store(const Store& store) {
  check("profile", store.profile());
  const Profile profile = load_profile(store.profile());
  require(!profile.network.empty(), "an all-reduce sweep in the profile");
  require(!profile.workloads.empty(), "a workload in the profile");

  check("calibration", store.calibration());
  const Calibration calibration = load_calibration(store.calibration());
  require(!calibration.workloads.empty(), "a workload in the calibration");

  if (load_runs(store.runs()).empty()) return require(false, "a run to check predictions with");
  for (const auto& file : std::filesystem::directory_iterator(store.runs())) {
    if (file.path().extension() == ".json") check("run", file.path());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw UsageError("usage: forerun_check_store STORE [FORECAST.json]");
    check_store(Store(argv[1]));
    if (argc > 2) check("forecast", argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "forerun_check_store: %s\n", error.what());
    return 1;
  }
  return failures == 0 ? 0 : 1;
}
