#include "tests/accuracy/table.h"

#include <cmath>
#include <cstdio>

#include "calib/report.h"

namespace forerun {
namespace {

double percent(const Json& errors, const char* key) { return 100 * errors[key].get<double>(); }

std::string median_and_tail(const Json& errors) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f / %.1f", percent(errors, "ape_median"),
                percent(errors, "ape_p90"));
  return text;
}

/// `errors` has held_out and naive.
std::string row(const std::string& name, int points, int refused, const Json& errors) {
  std::string out =
      "| " + name + " | " + std::to_string(points) + " | " + std::to_string(refused) + " | ";
  if (points == 0) return out + "| | | | | | |\n";
  const Json& model = errors["held_out"];
  char text[160];
  std::snprintf(text, sizeof text, "**%s** | %.0f | %.1f | %.3f | %.1f / %.1f | ",
                median_and_tail(model).c_str(), percent(model, "coverage_90"),
                100 * std::expm1(model["log_width_90"].get<double>() / 2),
                model["interval_score"].get<double>(), percent(model, "regret"),
                percent(errors["naive"]["carry_forward"], "regret"));
  return out + text + median_and_tail(errors["naive"]["carry_forward"]) + " | " +
         median_and_tail(errors["naive"]["ideal"]) + " |\n";
}

}  // namespace

std::string table_header() {
  return "| fit on | points | refused | error %, median / 90th percentile | inside 90 % interval | "
         "+- % | interval score | regret %, carry forward's | carry forward | ideal |\n"
         "|---|---|---|---|---|---|---|---|---|---|\n";
}

std::string table_rows(const std::string& name, const Calibration& calibration,
                       bool each_workload) {
  const Json report = calibration_json(calibration);
  int points = 0, refused = 0;
  std::string workloads;
  for (const WorkloadCalibration& w : calibration.workloads) {
    if (!w.held_out || w.held_out->points + w.held_out->refused == 0) continue;
    points += w.held_out->points;
    refused += w.held_out->refused;
    workloads +=
        row("- " + w.name, w.held_out->points, w.held_out->refused, report["models"][w.name]);
  }
  return row(name, points, refused, report["mean"]) + (each_workload ? workloads : "");
}

}  // namespace forerun
