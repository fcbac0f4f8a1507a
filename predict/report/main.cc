// report: predicted against observed, as a page with plots.
#include <CLI/CLI.hpp>
#include <ctime>
#include <iostream>

#include "calib/calibrate.h"
#include "model/error.h"
#include "model/io/command_line.h"
#include "predict/current_calibration.h"
#include "predict/report/collect.h"
#include "predict/report/open_page.h"
#include "predict/report/skill.h"
#include "predict/report/stragglers.h"
#include "predict/report/timelines.h"
#include "predict/report/write.h"

namespace forerun {
namespace {

struct Arguments {
  std::string store, out;
  bool open = false;
};

void warn(const std::string& text) { std::cerr << "report: " << text << "\n"; }

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char out[32];
  std::strftime(out, sizeof out, "%Y-%m-%d %H:%M UTC", &parts);
  return out;
}

std::string command_line(int argc, char** argv) {
  std::string out = "report";
  for (int i = 1; i < argc; ++i) out += std::string(" ") + argv[i];
  return out;
}

Profile load_store_profile(const Store& store) {
  if (!std::filesystem::exists(store.profile())) {
    throw Refusal(store.profile().string() +
                  ": nothing was measured there; run `measure` first, or name another place with "
                  "--store");
  }
  return load_profile(store.profile());
}

void write(const Arguments& arguments, const std::string& command) {
  const Store store(arguments.store);
  const Profile profile = load_store_profile(store);
  const std::filesystem::path folder =
      arguments.out.empty() ? store.report() : std::filesystem::path(arguments.out);
  // Of what was measured: also where it does not suffice for predictions, or for plots.
  const std::vector<StepTimeline> timelines = step_timelines(profile);
  if (!timelines.empty()) save_chrome_trace(folder / "timeline.json", trace_bars(timelines));
  const Predictor predictor(current_calibration(
      store, "",
      [&](const Profile& fresh) { return calibrate_profile(fresh, store.profile().string()); },
      warn));
  ReportData data = collect_report(profile, predictor, load_readable_runs(store.runs(), warn));
  data.date = utc_now();
  data.commands.push_back(command);
  for (const std::string& note : straggler_notes(profile)) data.notes.push_back(note);
  const std::filesystem::path page = write_report(data, folder);

  std::cout << headline(measure_skill(data.checks)) << "\n";
  for (const std::string& note : data.notes) std::cout << note << "\n";
  if (!timelines.empty()) std::cout << timelines_summary(timelines) << "\n";
  if (!data.missing_runs_command.empty()) {
    std::cout << "Check it with: " << data.missing_runs_command << "\n";
  }
  std::cout << page.string() << std::endl;
  if (arguments.open) open_page(page);
}

int run(int argc, char** argv) {
  CLI::App app(
      "Shows how far predictions can be trusted: every run of the store (measure train) beside its "
      "prediction, as one HTML page with plots, SVG, PNG and a CSV table. Needs gnuplot.\nExit "
      "codes: 0 done, 1 failed, 2 usage, 3 refused: nothing was measured.");
  Arguments arguments;
  app.add_option("--store", arguments.store, "default: $FORERUN_HOME, else ./forerun")
      ->type_name("DIR");
  app.add_option("--out", arguments.out, "default: report/ in the store")->type_name("DIR");
  app.add_flag("--open", arguments.open, "show the page in the browser");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitDone : kExitUsage;
  }
  write(arguments, command_line(argc, argv));
  return kExitDone;
}

}  // namespace
}  // namespace forerun

int main(int argc, char** argv) {
  return forerun::run_program("report", [&] { return forerun::run(argc, argv); });
}
