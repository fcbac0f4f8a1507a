#include "measure/summary.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <tuple>

#include "measure/communication_table.h"
#include "measure/disturbance.h"
#include "model/collective_kind.h"
#include "model/io/command_line.h"
#include "model/io/wording.h"
#include "model/statistics.h"

namespace forerun {
namespace {

double throughput(const MeasuredConfiguration& measured) {
  const double step = median_or_zero(measured.step_times());
  return step > 0 ? static_cast<double>(measured.at.global_batch()) / step : 0;
}

std::string uncertainty(const MeasuredConfiguration& measured) {
  const size_t n = measured.step_times().size();
  if (n < 2) return "one step only";
  return formatted("+-%.1f %%", 100 * measured.relative_half_width);
}

size_t step_count(const std::vector<RankSteps>& ranks) {
  return ranks.empty() ? 0 : ranks.front().step_time_s.size();
}

/// `, 3 disturbed steps apart`, or that those that count are; empty where nothing disturbed.
std::string disturbance(const MeasuredConfiguration& measured) {
  if (const size_t apart = step_count(measured.disturbed)) {
    return ", " + count(static_cast<long>(apart), "disturbed step") + " apart";
  }
  const size_t among = disturbed_steps(measured.ranks);
  return among == 0 ? "" : formatted(" (%zu of them disturbed)", among);
}

/// What held GPUs back, and who else was on them.
std::string gpu_remarks(const MeasuredConfiguration& measured) {
  std::string text;
  for (const GpuConditions& gpu : measured.gpus) {
    const std::string whose = ", rank " + std::to_string(gpu.rank) + "'s GPU ";
    for (const std::string& reason : gpu.throttled) text += whose + "slowed by " + reason;
    for (const std::string& other : gpu.other_processes) text += whose + "shared with " + other;
  }
  return text;
}

/// Of all GPUs; 0: unknown.
double energy_per_step_j(const MeasuredConfiguration& measured) {
  double energy = 0;
  for (const GpuConditions& gpu : measured.gpus) {
    if (gpu.steps > 0) energy += gpu.energy_j / gpu.steps;
  }
  return energy;
}

/// What other programs did to the measurement, and what would help; empty where they did little.
std::string disturbance_report(const std::vector<const MeasuredConfiguration*>& all) {
  size_t steps = 0, apart = 0, spoilt = 0;
  for (const MeasuredConfiguration* c : all) {
    const size_t among = disturbed_steps(c->ranks);
    steps += step_count(c->ranks) + step_count(c->disturbed);
    apart += step_count(c->disturbed) + among;
    spoilt += among > 0 ? 1 : 0;
  }
  if (20 * apart <= steps) return "";
  std::string text =
      formatted("Other programs took the processors in %zu of %zu steps. Such steps are kept apart",
                apart, steps);
  if (spoilt > 0) {
    text +=
        formatted("; %zu of %zu configurations had too few others, and their times are too long",
                  spoilt, all.size());
  }
  return text + ". End what else runs and measure again.\n";
}

/// As nccl-tests has them, in bytes per second.
struct Bandwidths {
  double algbw = 0, busbw = 0;
};

Bandwidths bandwidths(const SweepPoint& p, Collective collective) {
  const Bytes<> size(p.size_bytes);
  const Seconds<> time(median_or_zero(p.samples_s));
  return {(size / time).value(),
          bus_bandwidth(collective, size, time, p.placement.world_size()).value()};
}

void print_network(const std::vector<SweepPoint>& network) {
  if (network.empty()) return;
  std::cout << "\ncollective      placement        size        time       algbw       busbw\n";
  for (const SweepPoint& p : network) {
    const auto collective = find_collective(p.collective);
    if (!collective) continue;
    const auto [algbw, busbw] = bandwidths(p, *collective);
    std::cout << formatted("%-14s %10s %11s %11s %6.2f GB/s %6.2f GB/s\n", p.collective.c_str(),
                           p.placement.text().c_str(), format_bytes(Bytes<>(p.size_bytes)).c_str(),
                           format_duration(Seconds<>(median_or_zero(p.samples_s))).c_str(),
                           algbw / 1e9, busbw / 1e9);
  }
}

void print_workload(const WorkloadProfile& workload) {
  std::cout << "\n"
            << workload.name << ", input " << workload.input << ", "
            << formatted("%.0f", workload.parameters) << " parameters, "
            << format_bytes(Bytes<>(workload.grad_bytes)) << " of gradients\n"
            << "  strategy      ranks  local  global        step            samples/s  exposed     "
               "memory\n";
  std::vector<const MeasuredConfiguration*> rows;
  for (const MeasuredConfiguration& c : workload.configurations) rows.push_back(&c);
  std::ranges::sort(rows, [](const auto* a, const auto* b) {
    return std::tuple(a->at.world_size(), a->at.local_batch, a->at.strategy) <
           std::tuple(b->at.world_size(), b->at.local_batch, b->at.strategy);
  });
  for (const MeasuredConfiguration* c : rows) {
    std::cout << formatted("  %-12s  %5d  %5d  %6ld", c->at.strategy.c_str(), c->at.world_size(),
                           c->at.local_batch, c->at.global_batch());
    if (c->status != "ok") {
      std::cout << "  " << (c->status == "out_of_memory" ? "out of memory" : c->status) << "\n";
      continue;
    }
    const double step = median_or_zero(c->step_times());
    std::vector<double> exposed;
    for (const RankSteps& rank : c->ranks) exposed.push_back(median_or_zero(rank.exposed_comm_s));
    const double hidden = exposed.empty() ? 0 : *std::ranges::max_element(exposed);
    std::cout << formatted("  %10s  %-13s %9.1f  %5.1f %%",
                           format_duration(Seconds<>(step)).c_str(), uncertainty(*c).c_str(),
                           throughput(*c), 100 * hidden / step)
              << formatted("  %9s\n", c->peak_memory_bytes
                                          ? format_bytes(Bytes<>(*c->peak_memory_bytes)).c_str()
                                          : "");
  }
  std::cout << communication_table(workload);
}

Json figures_json(const CommunicationFigures& figures) {
  Json out = Json::object();
  const auto add = [&](const char* key, const std::optional<MedianEstimate>& e) {
    if (e) out[key] = {{"median", e->median}, {"low", e->low}, {"high", e->high}};
  };
  add("exposed_s", figures.exposed_s);
  add("waiting_s", figures.waiting_s);
  add("slower_inside", figures.slower_inside);
  add("slows_compute", figures.slows_compute);
  return out;
}

double largest_overhead(const Profile& profile) {
  double most = 0;
  for (const WorkloadProfile& w : profile.workloads) {
    for (const MeasuredConfiguration& c : w.configurations) {
      most = std::max(most, c.overhead_relative);
    }
  }
  return most;
}

Json summary_json(const Summary& summary) {
  Json out = {{"profile", summary.profile_path},
              {"machine", to_json(summary.profile.machine)},
              {"seconds", summary.seconds},
              {"stopped_early", summary.stopped_early}};
  out["network"] = Json::array();
  for (const SweepPoint& p : summary.profile.network) {
    Json row = {{"collective", p.collective},
                {"placement", p.placement.text()},
                {"size_bytes", p.size_bytes},
                {"time_s", median_or_zero(p.samples_s)},
                {"samples", p.samples_s.size()}};
    if (const auto collective = find_collective(p.collective)) {
      const auto [algbw, busbw] = bandwidths(p, *collective);
      row["algbw_bytes_per_s"] = algbw;
      row["busbw_bytes_per_s"] = busbw;
    }
    out["network"].push_back(row);
  }
  out["configurations"] = Json::array();
  for (const WorkloadProfile& w : summary.profile.workloads) {
    for (const MeasuredConfiguration& c : w.configurations) {
      Json row = {{"model", w.name},
                  {"placement", c.at.placement.text()},
                  {"world_size", c.at.world_size()},
                  {"local_batch", c.at.local_batch},
                  {"global_batch", c.at.global_batch()},
                  {"strategy", c.at.strategy},
                  {"status", c.status}};
      if (c.status == "ok") {
        row["step_time_s"] = median_or_zero(c.step_times());
        row["relative_half_width"] = c.relative_half_width;
        row["samples"] = c.step_times().size();
        row["throughput_samples_per_s"] = throughput(c);
        row["overhead_relative"] = c.overhead_relative;
        if (c.at.world_size() > 1) row["communication"] = figures_json(c.communication);
        row["disturbed_steps"] = step_count(c.disturbed) + disturbed_steps(c.ranks);
      }
      if (const double energy = energy_per_step_j(c)) row["energy_per_step_j"] = energy;
      if (c.peak_memory_bytes) row["peak_memory_bytes"] = *c.peak_memory_bytes;
      out["configurations"].push_back(row);
    }
  }
  out["left_out"] = Json::array();
  for (const auto& [what, why] : summary.left_out) {
    out["left_out"].push_back({{"what", what}, {"reason", why}});
  }
  return out;
}

}  // namespace

std::string describe(const std::string& name, const MeasuredConfiguration& measured) {
  if (measured.status == "out_of_memory") return "measured " + name + ": out of memory";
  const std::vector<double> times = measured.step_times();
  return "measured " + name + ": " + format_duration(Seconds<>(median_or_zero(times))) + " " +
         uncertainty(measured) + formatted(", %zu steps", times.size()) + disturbance(measured) +
         formatted(", %.1f samples/s", throughput(measured)) + gpu_remarks(measured);
}

void print_summary(const Summary& summary, bool json) {
  if (json) {
    std::cout << json_text(summary_json(summary)) << std::flush;
    return;
  }
  print_network(summary.profile.network);
  std::vector<const MeasuredConfiguration*> all;
  for (const WorkloadProfile& workload : summary.profile.workloads) {
    print_workload(workload);
    for (const MeasuredConfiguration& c : workload.configurations) all.push_back(&c);
  }
  const bool communicates = std::ranges::any_of(all, [](const MeasuredConfiguration* c) {
    return c->at.world_size() > 1 && !c->ranks.empty();
  });
  std::cout << "\n";
  if (communicates) std::cout << communication_legend();
  std::cout << "step: median, with the 95 % confidence interval of the median. Measuring took "
            << formatted("%.2f", 100 * largest_overhead(summary.profile))
            << " % of a step at most.\n"
            << disturbance_report(all)
            << (summary.stopped_early ? "Stopped early; measure again to continue. " : "")
            << summary.profile_path << " was written in "
            << format_duration(Seconds<>(summary.seconds)) << ".\n"
            << std::flush;
}

void print_runs(const std::vector<FinishedRun>& runs, bool json) {
  Json rows = Json::array();
  for (const FinishedRun& r : runs) {
    const std::vector<double> times = r.run.steps.step_times();
    const double last = r.run.loss.empty() ? 0 : r.run.loss.back();
    const bool scored = !r.run.epochs.empty() && r.run.epochs.back().accuracy;
    if (json) {
      rows.push_back({{"model", r.run.model},
                      {"placement", r.run.steps.at.placement.text()},
                      {"world_size", r.run.steps.at.world_size()},
                      {"local_batch", r.run.steps.at.local_batch},
                      {"global_batch", r.run.steps.at.global_batch()},
                      {"complete", r.complete},
                      {"steps", r.run.loss.size()},
                      {"step_time_s", median_or_zero(times)},
                      {"relative_half_width", r.run.steps.relative_half_width},
                      {"throughput_samples_per_s", throughput(r.run.steps)},
                      {"loss", last},
                      {"file", r.file}});
      if (scored) rows.back()["accuracy"] = *r.run.epochs.back().accuracy;
      continue;
    }
    std::cout << "trained " << r.title << ": " << r.run.loss.size() << " steps";
    if (!times.empty()) {
      std::cout << ", " << format_duration(Seconds<>(median_or_zero(times))) << " a step "
                << uncertainty(r.run.steps) << disturbance(r.run.steps)
                << formatted(", %.1f samples/s", throughput(r.run.steps));
    }
    std::cout << formatted(", loss %.4f", last);
    if (scored) std::cout << formatted(", accuracy %.1f %%", 100 * *r.run.epochs.back().accuracy);
    std::cout << (r.complete ? "" : " (stopped early)") << "\n  " << r.file << "\n";
  }
  if (json) {
    std::cout << json_text({{"runs", rows}});
  } else {
    std::vector<const MeasuredConfiguration*> all;
    for (const FinishedRun& r : runs) all.push_back(&r.run.steps);
    std::cout << disturbance_report(all);
  }
  std::cout << std::flush;
}

}  // namespace forerun
