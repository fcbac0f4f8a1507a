#include "predict/report/timelines.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "model/io/command_line.h"
#include "model/io/wording.h"
#include "model/statistics.h"

namespace forerun {
namespace {

/// Median time of an all-reduce on one placement by size: a line between measured sizes in the
/// logarithms, proportional to the size outside them.
class MeasuredAllreduce {
 public:
  MeasuredAllreduce(const Profile& profile, const Placement& placement) {
    for (const SweepPoint& point : profile.network) {
      if (point.collective == "allreduce" && point.placement == placement &&
          !point.samples_s.empty()) {
        times_[std::log(point.size_bytes)] = std::log(median_or_zero(point.samples_s));
      }
    }
  }

  /// Far beyond the largest size that was swept, in proportion to a time that is mostly latency,
  /// nothing is known.
  bool knows(const std::vector<BucketReady>& buckets) const {
    return !times_.empty() && std::ranges::all_of(buckets, [&](const BucketReady& b) {
      return b.size_bytes <= kFarBeyondSweep * std::exp(times_.rbegin()->first);
    });
  }
  Seconds<> time(double size_bytes) const {
    const double x = std::log(size_bytes);
    const auto above = times_.lower_bound(x);
    if (above == times_.begin()) return Seconds<>(std::exp(above->second + x - above->first));
    const auto below = std::prev(above);
    if (above == times_.end()) return Seconds<>(std::exp(below->second + x - below->first));
    const double share = (x - below->first) / (above->first - below->first);
    return Seconds<>(std::exp(below->second + share * (above->second - below->second)));
  }

 private:
  std::map<double, double> times_;  // logarithms
};

/// The measurement whose compute stands for `at`: one rank alone, or the configuration itself.
const MeasuredConfiguration& compute_of(const WorkloadProfile& workload,
                                        const MeasuredConfiguration& measured) {
  for (const MeasuredConfiguration& c : workload.configurations) {
    Configuration alone = measured.at;
    alone.placement = Placement();
    if (c.at == alone && !c.ranks.empty() && c.buckets.size() == measured.buckets.size()) return c;
  }
  return measured;
}

TimelineStep<> step_of(const MeasuredConfiguration& compute, const MeasuredConfiguration& measured,
                       const MeasuredAllreduce& allreduce) {
  const RankSteps& rank = compute.ranks.front();
  TimelineStep<> step;
  step.forward = Seconds<>(median_or_zero(rank.load_s) + median_or_zero(rank.forward_s));
  step.backward = Seconds<>(median_or_zero(rank.backward_s));
  step.optimizer = Seconds<>(median_or_zero(rank.optimizer_s));
  for (size_t b = 0; b < measured.buckets.size(); ++b) {
    step.buckets.push_back({Seconds<>(compute.buckets[b].ready_s),
                            {{0, allreduce.time(measured.buckets[b].size_bytes)}}});
  }
  return step;
}

bool has_spans(const MeasuredConfiguration& measured) {
  return measured.status == "ok" && measured.at.strategy == "ddp" && measured.at.world_size() > 1 &&
         measured.at.accumulation == 1 && !measured.step_times().empty() &&
         !measured.buckets.empty() &&
         std::ranges::all_of(measured.buckets, [](const BucketReady& b) { return b.end_s > 0; });
}

/// The bars of a step whose backward pass starts at `forward_s`.
class StepBars {
 public:
  StepBars(std::vector<TraceBar>& bars, std::string process)
      : bars_(bars), process_(std::move(process)) {}
  void compute(const char* name, double start_s, double end_s) {
    bars_.push_back({process_, "compute", name, start_s, end_s - start_s});
  }
  void bucket(double size_bytes, double start_s, double end_s) {
    bars_.push_back({process_, "communication", "all-reduce " + format_bytes(Bytes<>(size_bytes)),
                     start_s, end_s - start_s});
  }

 private:
  std::vector<TraceBar>& bars_;
  std::string process_;
};

void add_measured(const StepTimeline& t, std::vector<TraceBar>& bars) {
  const RankSteps& rank = t.measured.ranks.front();
  const double forward = median_or_zero(rank.load_s) + median_or_zero(rank.forward_s);
  const double backward = forward + median_or_zero(rank.backward_s);
  const double waited = backward + t.measured_exposed_s;
  StepBars out(bars, t.title + ", measured (rank 0, medians)");
  out.compute("forward", 0, forward);
  out.compute("backward", forward, backward);
  out.compute("waits for communication", backward, waited);
  out.compute("optimizer", waited, waited + median_or_zero(rank.optimizer_s));
  for (const BucketReady& bucket : t.measured.buckets) {
    out.bucket(bucket.size_bytes, forward + bucket.start_s, forward + bucket.end_s);
  }
}

void add_simulated(const StepTimeline& t, std::vector<TraceBar>& bars) {
  const double forward = t.step.forward.value();
  const double backward = forward + t.simulated.backward_end.value();
  const double waited = forward + t.simulated.communication_end.value();
  StepBars out(bars, t.title + ", simulated");
  out.compute("forward", 0, forward);
  out.compute("backward", forward, backward);
  out.compute("waits for communication", backward, waited);
  out.compute("optimizer", waited, waited + t.step.optimizer.value());
  for (size_t b = 0; b < t.simulated.buckets.size(); ++b) {
    out.bucket(t.measured.buckets[b].size_bytes, forward + t.simulated.buckets[b].start.value(),
               forward + t.simulated.buckets[b].end.value());
  }
}

}  // namespace

double StepTimeline::relative_error() const {
  return simulated.step_time.value() / measured_step_s - 1;
}

std::vector<StepTimeline> step_timelines(const Profile& profile) {
  std::vector<StepTimeline> timelines;
  for (const WorkloadProfile& workload : profile.workloads) {
    for (const MeasuredConfiguration& measured : workload.configurations) {
      const MeasuredAllreduce allreduce(profile, measured.at.placement);
      if (!has_spans(measured) || !allreduce.knows(measured.buckets)) continue;
      StepTimeline t;
      t.title = workload.name + ", " + measured.at.placement.text() + " ranks x " +
                std::to_string(measured.at.local_batch);
      t.measured = measured;
      t.step = step_of(compute_of(workload, measured), measured, allreduce);
      play_step(t.step, t.simulated);
      t.measured_step_s = median_or_zero(measured.ranks.front().step_time_s);
      t.measured_exposed_s = median_or_zero(measured.ranks.front().exposed_comm_s);
      timelines.push_back(std::move(t));
    }
  }
  return timelines;
}

std::vector<TraceBar> trace_bars(const std::vector<StepTimeline>& timelines) {
  std::vector<TraceBar> bars;
  for (const StepTimeline& t : timelines) {
    add_measured(t, bars);
    add_simulated(t, bars);
  }
  return bars;
}

std::string timelines_summary(const std::vector<StepTimeline>& timelines) {
  if (timelines.empty()) return "";
  std::vector<double> errors;
  for (const StepTimeline& t : timelines) errors.push_back(100 * std::abs(t.relative_error()));
  return "timeline.json: " + count(static_cast<long>(errors.size()), "step") +
         formatted("; the simulated step differs by %.1f %% (median), %.1f %% at most",
                   median(errors), *std::max_element(errors.begin(), errors.end()));
}

}  // namespace forerun
