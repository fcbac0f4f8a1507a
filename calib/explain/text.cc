// An explanation in words.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "calib/explain/explanation.h"
#include "model/io/command_line.h"
#include "model/io/wording.h"

namespace forerun {
namespace {

constexpr size_t kMostOutliers = 6;    // listed of a workload
constexpr size_t kMostPlacements = 8;  // listed of a workload: the worst

/// `text` in lines of at most `width` characters, those after the first behind `indent`.
std::string wrapped(const std::string& text, size_t width, const std::string& indent) {
  std::string out;
  const size_t start = text.find_first_not_of(' ');
  std::string line = text.substr(0, text.find(' ', start));
  for (size_t at = line.size() + 1; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (line.size() + 1 + word.size() > width) {
      out += line + "\n";
      line = indent;
      line += word;
    } else {
      line += ' ';
      line += word;
    }
    at = end + 1;
  }
  return out + line + "\n";
}

std::string open_parameters(const Explanation& e) {
  std::string open, fixed;
  size_t determined = 0;
  for (const ParameterExplanation& p : e.parameters) {
    const std::string line = wrapped("  " + p.parameter.name + ": " + p.remedy, 96, "    ");
    if (!p.in_play) {
      fixed += line;
    } else if (p.parameter.determined) {
      ++determined;
    } else {
      open += line;
    }
  }
  std::string out = "\nParameters: " + count(determined, "parameter") + " of " +
                    std::to_string(e.parameters.size()) + " determined by these data\n";
  if (!open.empty()) out += "Not determined; what would tell:\n" + open;
  if (!fixed.empty()) out += "Not in play:\n" + fixed;
  return out;
}

std::string hypotheses(const Calibration& calibration) {
  std::string out;
  for (const NetworkCalibration& network : calibration.networks) {
    if (network.hypotheses.size() < 2) continue;
    out += "\nHypotheses" + (network.cluster.empty() ? "" : " of " + network.cluster) + "\n";
    for (const Hypothesis& h : network.hypotheses)
      out += formatted("  %3.0f %%  %s\n", 100 * h.weight, h.name.c_str());
    if (network.max_nodes < 3)
      out += "  (one and two nodes cannot tell them apart: they count as they did beforehand)\n";
  }
  return out;
}

std::string error_columns(const ErrorSummary& s) {
  if (s.rows == 0) return formatted(" %6s %7s %7s %6s", "-", "", "", "");
  return formatted(" %6d %+7.1f %7.1f %6.0f", s.rows, 100 * std::expm1(s.bias), 100 * s.median,
                   100 * s.coverage_90);
}

std::string error_row(const ErrorGroup& g, bool held_out) {
  std::string out = formatted("    %-22.22s", g.name.c_str()) + error_columns(g.left_out) +
                    (held_out ? "  |" + error_columns(g.held_out) : "");
  out.resize(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

std::string error_rows(const std::vector<ErrorGroup>& groups, bool held_out) {
  std::string out;
  if (groups.size() < 2) return out;
  for (const ErrorGroup& g : groups) out += error_row(g, held_out);
  return out;
}

/// The placements with the largest errors, where there are many.
std::vector<ErrorGroup> worst(std::vector<ErrorGroup> groups) {
  if (groups.size() <= kMostPlacements) return groups;
  const auto error = [](const ErrorGroup& g) {
    return std::max(g.left_out.median, g.held_out.median);
  };
  std::stable_sort(groups.begin(), groups.end(),
                   [&](const ErrorGroup& a, const ErrorGroup& b) { return error(a) > error(b); });
  groups.resize(kMostPlacements);
  return groups;
}

std::string outlier_lines(const WorkloadExplanation& w) {
  if (w.outliers.empty()) return "";
  std::string out = "    treated as outliers: " + count(w.outliers.size(), "row") + "\n";
  for (size_t i = 0; i < std::min(w.outliers.size(), kMostOutliers); ++i) {
    const OutlierRow& r = w.outliers[i];
    out += "      " + r.at.placement.text() +
           (r.at.placement.nodes() == 1 ? " on one node, batch " : ", batch ") +
           std::to_string(r.at.local_batch) + ": " + format_duration(Seconds<>(r.observed_s)) +
           " where all others expect " + format_duration(Seconds<>(r.expected_s)) + "\n";
  }
  if (w.outliers.size() > kMostOutliers)
    out += "      and " + std::to_string(w.outliers.size() - kMostOutliers) + " less far off\n";
  return out;
}

std::string workload_errors(const WorkloadExplanation& w, bool held_out) {
  std::string out = "  " + w.name;
  if (w.method != "model") out += "; beyond the measured scale predicted by " + w.method;
  out += "\n" + error_row(w.all, held_out) + error_rows(w.by_scale, held_out) +
         error_rows(w.by_batch, held_out);
  if (w.by_placement.size() > w.by_scale.size()) {
    if (w.by_placement.size() > kMostPlacements)
      out += "    of " + count(w.by_placement.size(), "placement") + " the worst:\n";
    out += error_rows(worst(w.by_placement), held_out);
  }
  return out + outlier_lines(w);
}

std::string errors(const Explanation& e) {
  std::string out =
      "\nWhere the errors sit (in %; bias > 0: predicted too slow; inside: of the 90 % interval;\n"
      "one GPU's rows also draw the compute curve, so leaving one out flatters them)\n";
  const std::string columns = formatted(" %6s %7s %7s %6s", "rows", "bias", "median", "inside");
  if (e.held_out)
    out += formatted("    %-22s %30s  | %29s\n", "", "fitted, left out one by one", "held out");
  else
    out += formatted("    %-22s %30s\n", "", "fitted, left out one by one");
  out += formatted("    %-22s", "nodes x GPUs of each") + columns +
         (e.held_out ? "  |" + columns : "") + "\n";
  for (const WorkloadExplanation& w : e.workloads) out += workload_errors(w, e.held_out);
  return out;
}

std::string where(const Placement& p) {
  return p.nodes() == 1
             ? "1 node"
             : std::to_string(p.nodes()) + " nodes x " + std::to_string(p.max_ranks_per_node());
}

std::string plan_text(const NetworkCalibration& network, const MeasurementPlan& plan) {
  std::string out = "\nWhat to measure next" +
                    (network.cluster.empty() ? "" : " on " + network.cluster) + "\n" +
                    wrapped("  half-widths are means over " + plan.targets, 98, "  ");
  out += formatted("  %9s %9s   %s\n", "+- 90 %", "GPU-min",
                   "best per GPU-minute, each given those above it");
  out += formatted("  %9.1f %9s   now\n", 100 * plan.half_width_90, "");
  for (const MeasurementValue& step : plan.steps) {
    out += formatted("  %9.1f %9.1f   ", 100 * step.half_width_90, step.gpu_seconds / 60) +
           step.command + "   # " + where(step.at.placement) + "\n";
  }
  if (plan.steps.empty())
    out += "  no single measurement within reach would remove 1 % of the variance\n";
  return out;
}

}  // namespace

std::string explanation_text(const Calibration& calibration, const Explanation& explanation) {
  std::string out = open_parameters(explanation) + hypotheses(calibration) + errors(explanation);
  for (size_t i = 0; i < explanation.plans.size(); ++i)
    out += plan_text(calibration.networks[i], explanation.plans[i]);
  return out;
}

}  // namespace forerun
