// calibrate: fits the cost model to a profile or to anyone's step times.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "calib/calibrate.h"
#include "calib/evidence.h"
#include "calib/explain/explanation.h"
#include "calib/explain/plots.h"
#include "calib/report.h"
#include "model/error.h"
#include "model/io/command_line.h"

namespace {

using namespace forerun;

struct Options {
  std::vector<std::string> observations;
  std::string out;
  std::string store;
  bool json = false;
  bool explain = false;
  std::string explain_out;
};

/// What to calibrate on.
struct Input {
  std::optional<Profile> profile;
  std::vector<Observation> rows;
  std::string source;
};

Input read_input(const Options& options, const Store& store) {
  Input input;
  if (options.observations.empty()) {
    if (!std::filesystem::exists(store.profile())) {
      throw Refusal("there is no " + store.profile().string() +
                    ": nothing was measured yet. Run measure first, or name step times with "
                    "--observations FILE.csv");
    }
    input.profile = load_profile(store.profile());
    input.rows = observations_of(*input.profile);
    input.source = store.profile().string();
    return input;
  }
  for (const std::string& file : options.observations) {
    for (Observation& row : load_observations(file)) input.rows.push_back(std::move(row));
    input.source += (input.source.empty() ? "" : ", ") + file;
  }
  return input;
}

/// Draws into `folder`; without gnuplot says so, and the rest still comes.
std::vector<std::filesystem::path> draw(const Explanation& explanation,
                                        const std::filesystem::path& folder) {
  std::vector<DrawnPlot> plots;
  try {
    plots = draw_explanation(explanation);
  } catch (const Error& error) {
    std::fprintf(stderr, "calibrate: no plots: %s\n", error.what());
    return {};
  }
  return write_plots(plots, folder);
}

/// Models that have only rows to compare with: nothing can be said of them.
void warn_of_models_not_fitted(const std::vector<Observation>& rows) {
  std::set<std::string> fitted, others;
  for (const Observation& row : rows) (row.role == "fit" ? fitted : others).insert(row.model);
  for (const std::string& name : others) {
    if (fitted.contains(name)) continue;
    std::fprintf(stderr, "calibrate: %s: no row has role fit; neither fitted nor compared\n",
                 name.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Fits the cost model and says how wrong it is on what it did not see."};
  app.add_option("--observations", options.observations,
                 "CSV of step times (repeatable); without it, the store's profile.json")
      ->type_name("FILE.csv")
      ->allow_extra_args(false);
  app.add_option("--out", options.out,
                 "where the calibration goes (default: the store's calibration.json)")
      ->type_name("FILE");
  app.add_option(
         "--store", options.store,
         "folder of profile.json and calibration.json (default: $FORERUN_HOME, else ./forerun)")
      ->type_name("DIR");
  app.add_flag("--json", options.json, "print the report as one JSON document");
  app.add_flag("--explain", options.explain,
               "also: what the data leave open, where the errors sit, what to measure next; with "
               "plots");
  app.add_option("--explain-out", options.explain_out,
                 "where the plots go (implies --explain; default: the store's explain/)")
      ->type_name("DIR");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitDone : kExitUsage;
  }
  return run_program("calibrate", [&]() -> int {
    const Store store(options.store);
    const bool explain_too = options.explain || !options.explain_out.empty();
    const Input input = read_input(options, store);
    warn_of_models_not_fitted(input.rows);
    const Calibration calibration = input.profile
                                        ? calibrate_profile(*input.profile, input.source)
                                        : calibrate_observations(input.rows, input.source);
    const std::filesystem::path out =
        options.out.empty() ? store.calibration() : std::filesystem::path(options.out);
    save_calibration(out, calibration);
    Json json = options.json ? calibration_json(calibration) : Json();
    std::string text = options.json ? "" : calibration_text(calibration);
    std::vector<std::filesystem::path> plots;
    if (explain_too) {
      const Explanation explanation = explain(calibration, input.rows);
      plots = draw(explanation, options.explain_out.empty()
                                    ? store.folder / "explain"
                                    : std::filesystem::path(options.explain_out));
      if (options.json) {
        json["explain"] = explanation_json(calibration, explanation);
        json["explain"]["plots"] = Json::array();
        for (const auto& plot : plots) json["explain"]["plots"].push_back(plot.string());
      } else {
        text += explanation_text(calibration, explanation);
      }
    }
    std::fputs((options.json ? json_text(json) : text).c_str(), stdout);
    std::fflush(stdout);  // both may go to one file
    std::fprintf(stderr, "wrote %s\n", out.c_str());
    if (!plots.empty()) {
      std::fprintf(stderr, "wrote %zu plots into %s\n", plots.size(),
                   plots.front().parent_path().c_str());
    }
    return kExitDone;
  });
}
