#include "calib/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include "calib/naive.h"
#include "model/io/command_line.h"
#include "model/io/wording.h"
#include "model/statistics.h"

namespace forerun {
namespace {

std::string percent(double share) { return formatted("%.1f", 100 * share); }

/// All baselines, also where nothing could be held out: points 0.
Json naive_json(const std::map<std::string, HeldOut>& naive) {
  Json out = Json::object();
  for (const std::string& name : NaivePredictor::names()) {
    const auto found = naive.find(name);
    out[name] = to_json(found == naive.end() ? HeldOut{} : found->second);
  }
  return out;
}

/// Means over the models that have held-out points.
HeldOut mean_of(const std::vector<HeldOut>& all) {
  HeldOut mean;
  const auto n = static_cast<double>(all.size());
  for (const HeldOut& h : all) {
    mean.points += h.points;
    mean.refused += h.refused;
    for (const auto& [key, field] : kHeldOutFields) mean.*field += h.*field / n;
  }
  return mean;
}

struct Means {
  HeldOut model;
  std::map<std::string, HeldOut> naive;
};

Means means_of(const Calibration& calibration) {
  std::vector<HeldOut> model;
  std::map<std::string, std::vector<HeldOut>> naive;
  for (const WorkloadCalibration& w : calibration.workloads) {
    if (!w.held_out || w.held_out->points == 0) continue;
    model.push_back(*w.held_out);
    for (const auto& [name, h] : w.naive) naive[name].push_back(h);
  }
  Means means{mean_of(model), {}};
  for (const auto& [name, all] : naive) means.naive[name] = mean_of(all);
  return means;
}

std::string held_out_row(const std::string& name, const HeldOut& h,
                         const std::map<std::string, HeldOut>& naive) {
  std::string row = formatted("  %-26.26s %6d %7s %7s %7s %6.0f", name.c_str(), h.points,
                              percent(h.ape_median).c_str(), percent(h.ape_p90).c_str(),
                              percent(std::expm1(h.log_width_90 / 2)).c_str(), 100 * h.coverage_90);
  for (const char* baseline : {"ideal", "carry_forward", "linear"}) {
    const auto found = naive.find(baseline);
    row += found == naive.end() ? formatted(" %8s", "-")
                                : formatted(" %8s", percent(found->second.ape_median).c_str());
  }
  return row + "\n";
}

std::string parameter_row(const Parameter& p) {
  return formatted("  %-40.40s %11.4g %11.4g %11.4g   %s\n", p.name.c_str(), p.value(), p.low(),
                   p.high(), p.determined ? "" : "not determined by these data");
}

bool in_play(const Parameter& p) { return p.determined || p.prior_sd > 1e-3; }

/// The data left it where it was beforehand.
bool is_unseen(const Parameter& p) { return !p.determined && p.sd > 0.999 * p.prior_sd; }

std::string parameter_table(const std::vector<Parameter>& parameters) {
  constexpr size_t kMostUnseen = 6;  // named
  std::string out = formatted("\n  %-40s %11s %11s %11s\n", "parameter", "estimate", "5 %", "95 %");
  std::string names;
  size_t unseen = 0;
  for (const Parameter& p : parameters) {
    if (!in_play(p)) continue;
    if (!is_unseen(p)) {
      out += parameter_row(p);
    } else if (++unseen <= kMostUnseen) {
      names += (names.empty() ? "" : ", ") + p.name;
    }
  }
  if (unseen == 0) return out;
  const std::string more =
      unseen > kMostUnseen ? " and " + std::to_string(unseen - kMostUnseen) + " more" : "";
  return out + "  these data say nothing of " + names + more + "\n";
}

std::string held_out_table(const Calibration& calibration) {
  std::string out = "\nHeld out: " + calibration.held_out_by + "\n";
  out += "  errors are |predicted/observed - 1| of the step time, in %\n";
  out += formatted("  %-26s %6s %7s %7s %7s %6s %8s %8s %8s\n", "model", "points", "median",
                   "90 pct", "+- 90%", "inside", "ideal", "carry", "linear");
  bool any = false;
  for (const WorkloadCalibration& w : calibration.workloads) {
    if (!w.held_out || w.held_out->points == 0) continue;
    out += held_out_row(w.name, *w.held_out, w.naive);
    any = true;
  }
  if (!any)
    return "\nHeld out: nothing could be (too few configurations, or every held-out point is "
           "refused).\n";
  const Means means = means_of(calibration);
  out += held_out_row("mean", means.model, means.naive);
  out +=
      "  +- 90%: half-width of the 90 % interval; inside: % of points in it; the last three "
      "columns: median\n"
      "  error of ideal scaling, of the largest measured step time carried forward, of a line in "
      "GPUs\n";
  for (const WorkloadCalibration& w : calibration.workloads) {
    if (w.method != "model")
      out += "  " + w.name + ": " + w.method +
             ": closer than the model on held-out points, so used beyond the measured scale\n";
  }
  return out;
}

std::string scaled_intervals(const NetworkCalibration& network) {
  return formatted("  intervals made %.2f times as wide, by what a second fit missed\n",
                   network.interval_scale);
}

/// Workloads that miss the formulas by clearly more than the middle one of their cluster does, the
/// worst first.
std::string irregular_workloads(const Calibration& calibration, const NetworkCalibration& network) {
  constexpr double kClearly = 2;
  constexpr size_t kMost = 6;  // listed
  std::vector<const WorkloadCalibration*> irregular;
  std::vector<double> amplitudes;
  for (const WorkloadCalibration& w : calibration.workloads) {
    if (&calibration.networks[w.network] != &network || w.max_gpus == 1) continue;
    irregular.push_back(&w);
    amplitudes.push_back(w.amplitude);
  }
  if (irregular.empty()) return "";
  const double usual = quantile(amplitudes, 0.5);
  std::erase_if(irregular, [&](const auto* w) { return w->amplitude < kClearly * usual; });
  std::ranges::stable_sort(irregular, std::greater<>(), &WorkloadCalibration::amplitude);
  std::string out;
  for (size_t i = 0; i < std::min(irregular.size(), kMost); ++i) {
    out += formatted("  %s is %.1f times as irregular as is usual here: wider intervals\n",
                     irregular[i]->name.c_str(), irregular[i]->amplitude / usual);
  }
  if (irregular.size() > kMost)
    out += "  and so are " + std::to_string(irregular.size() - kMost) + " more, less so\n";
  return out;
}

}  // namespace

std::string calibration_text(const Calibration& calibration) {
  std::string out = "Calibrated on " + calibration.source + " in " +
                    format_duration(Seconds<>(calibration.fit_seconds));
  if (!calibration.label.empty()) out += " (" + calibration.label + ")";
  out +=
      calibration.converged ? "\n" : "; the search did not converge: treat the numbers with care\n";
  const char* unit = calibration.device == "cpu" ? "rank" : "GPU";
  for (const NetworkCalibration& network : calibration.networks) {
    out += "\nNetwork" + (network.cluster.empty() ? "" : " of " + network.cluster) +
           ": measured up to " + count(network.max_gpus, unit) + " on " +
           count(network.max_nodes, "node") + "\n";
    if (!network.bytes_known)
      out += "  no workload says its grad_bytes: a byte's cost is known only up to a factor\n";
    if (std::fabs(network.interval_scale - 1) > 0.02) out += scaled_intervals(network);
    out += irregular_workloads(calibration, network);
    for (const Hypothesis& h : network.hypotheses) {
      if (network.hypotheses.size() > 1)
        out += "  " + h.name + ": " + formatted("%.0f %%\n", 100 * h.weight);
    }
  }
  return out + parameter_table(calibration.parameters) + held_out_table(calibration);
}

Json calibration_json(const Calibration& calibration) {
  Json out = {{"format", "forerun-calibration-report"}, {"version", 1},
              {"source", calibration.source},           {"label", calibration.label},
              {"held_out_by", calibration.held_out_by}, {"models", Json::object()}};
  for (const WorkloadCalibration& w : calibration.workloads) {
    Json model = {{"held_out", to_json(w.held_out.value_or(HeldOut{}))},
                  {"naive", Json::object()},
                  {"amplitude", w.amplitude},
                  {"method", w.method}};
    model["naive"] = naive_json(w.naive);
    out["models"][w.name] = model;
  }
  const Means means = means_of(calibration);
  out["mean"] = {{"held_out", to_json(means.model)}, {"naive", naive_json(means.naive)}};
  out["network"] = Json::object();
  out["parameters"] = Json::object();
  for (const Parameter& p : calibration.parameters) {
    Json entry = {
        {"value", p.value()}, {"low", p.low()}, {"high", p.high()}, {"determined", p.determined}};
    constexpr std::string_view kNetwork = "network.";
    if (p.name.starts_with(kNetwork)) out["network"][p.name.substr(kNetwork.size())] = p.value();
    out["parameters"][p.name] = entry;
  }
  out["fit"] = {{"seconds", calibration.fit_seconds}, {"converged", calibration.converged}};
  return out;
}

}  // namespace forerun
