#include "measure/step_record.h"

#include <algorithm>
#include <utility>

#include "measure/disturbance.h"
#include "measure/stop_rule.h"
#include "model/statistics.h"

namespace forerun {
namespace {

using Series = std::vector<double> RankSteps::*;
/// One entry a step.
constexpr Series kSeries[] = {&RankSteps::load_s,      &RankSteps::forward_s,
                              &RankSteps::backward_s,  &RankSteps::exposed_comm_s,
                              &RankSteps::optimizer_s, &RankSteps::step_time_s,
                              &RankSteps::taken_s};
/// One entry a quiet step.
constexpr Series kQuietSeries[] = {&RankSteps::quiet_backward_s, &RankSteps::quiet_comm_s};

template <class T>
void append_to(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void add_conditions(std::vector<GpuConditions>& to, const std::vector<GpuConditions>& more) {
  for (const GpuConditions& gpu : more) {
    const auto known = std::ranges::find(to, gpu.rank, &GpuConditions::rank);
    if (known == to.end()) {
      to.push_back(gpu);
    } else {
      known->add(gpu);
    }
  }
}

double next_block(const RankSteps& rank) {
  return rank.block.empty() ? 0 : 1 + *std::ranges::max_element(rank.block);
}

/// The last steps after warm-up that sent the same as the very last one, collective by collective.
std::vector<CollectiveTimeline> timeline_of(const std::vector<std::vector<BucketTrace>>& steps,
                                            int warmup) {
  std::vector<CollectiveTimeline> timeline;
  if (steps.empty()) return timeline;
  for (const BucketTrace& trace : steps.back()) {
    timeline.push_back(
        {collective_name(trace.collective), trace.bucket, trace.size_bytes, {}, {}, {}});
  }
  const size_t first =
      std::max<size_t>(warmup, steps.size() > kTimelineSteps ? steps.size() - kTimelineSteps : 0);
  for (size_t s = first; s < steps.size(); ++s) {
    if (steps[s].size() != timeline.size()) continue;
    for (size_t c = 0; c < timeline.size(); ++c) {
      timeline[c].ready_s.push_back(steps[s][c].ready_s);
      timeline[c].start_s.push_back(steps[s][c].start_s);
      timeline[c].end_s.push_back(steps[s][c].end_s);
    }
  }
  return timeline;
}

/// False on one rank, where buckets are filled and stay.
bool anything_ran(const std::vector<CollectiveTimeline>& timeline) {
  return std::ranges::any_of(timeline, [](const CollectiveTimeline& one) {
    return std::ranges::any_of(one.end_s, [](double end) { return end != 0; });
  });
}

/// Gradients by bucket: from the start of a bucket's first collective to the end of its last one.
std::vector<BucketReady> buckets_of(const std::vector<CollectiveTimeline>& timeline) {
  std::vector<BucketReady> buckets;
  int last = -1;
  for (const CollectiveTimeline& one : timeline) {
    if (one.bucket < 0 || one.ready_s.empty()) continue;
    if (one.bucket != last) {
      buckets.push_back(
          {one.size_bytes, median_or_zero(one.ready_s), median_or_zero(one.start_s), 0});
    }
    buckets.back().end_s = median_or_zero(one.end_s);
    last = one.bucket;
  }
  return buckets;
}

}  // namespace

void StepRecord::append(const StepRecord& block) {
  out_of_memory |= block.out_of_memory;
  if (block.ranks.empty()) return;  // it did not come to a step
  if (ranks.empty()) {
    ranks = block.ranks;
    traces = block.traces;
  } else {
    for (size_t r = 0; r < ranks.size(); ++r) {
      const double number = next_block(ranks[r]);
      for (const Series series : kSeries) {
        append_to(ranks[r].*series, block.ranks.at(r).*series);
      }
      ranks[r].block.resize(ranks[r].step_time_s.size(), number);
      for (const Series series : kQuietSeries) {
        append_to(ranks[r].*series, block.ranks.at(r).*series);
      }
      append_to(traces[r], block.traces.at(r));
    }
  }
  optimizer_state_bytes = std::max(optimizer_state_bytes, block.optimizer_state_bytes);
  append_to(overhead_relative, block.overhead_relative);
  append_to(loss, block.loss);
  add_conditions(gpus, block.gpus);
  if (block.peak_memory_bytes) {
    peak_memory_bytes = std::max(peak_memory_bytes.value_or(0), *block.peak_memory_bytes);
  }
}

std::vector<double> StepRecord::step_times() const {
  MeasuredConfiguration measured;
  measured.ranks = ranks;
  return measured.step_times();
}

MeasuredConfiguration to_measured(const Configuration& at, const StepRecord& record, int warmup,
                                  const MeasuredConfiguration* earlier) {
  MeasuredConfiguration measured;
  if (earlier != nullptr) measured = *earlier;
  measured.at = at;
  measured.status = record.out_of_memory ? "out_of_memory" : "ok";
  measured.warmup_steps += warmup;
  if (record.peak_memory_bytes) measured.peak_memory_bytes = record.peak_memory_bytes;
  add_conditions(measured.gpus, record.gpus);
  if (record.out_of_memory) {
    measured.ranks.clear();
    measured.disturbed.clear();
    measured.buckets.clear();
    return measured;
  }
  if (measured.ranks.size() != record.ranks.size()) {
    measured.disturbed.clear();
    measured.ranks.clear();
    for (const RankSteps& rank : record.ranks) {
      measured.ranks.push_back({.rank = rank.rank, .host = rank.host});
    }
  }
  for (size_t r = 0; r < record.ranks.size(); ++r) {
    // Older profiles do not know what was taken, nor the blocks.
    RankSteps& steps = measured.ranks[r];
    steps.taken_s.resize(steps.step_time_s.size());
    steps.block.resize(steps.step_time_s.size());
    double number = next_block(steps);
    if (r < measured.disturbed.size()) {
      number = std::max(number, next_block(measured.disturbed[r]));
    }
    for (size_t i = warmup; i < record.ranks[r].block.size(); ++i) {
      steps.block.push_back(number + record.ranks[r].block[i]);
    }
    for (const Series series : kSeries) {
      const std::vector<double>& from = record.ranks[r].*series;
      std::vector<double>& to = measured.ranks[r].*series;
      to.insert(to.end(), from.begin() + warmup, from.end());
    }
  }
  for (size_t r = 0; r < record.ranks.size(); ++r) {
    for (const Series series : kQuietSeries) {
      append_to(measured.ranks[r].*series, record.ranks[r].*series);
    }
    std::vector<CollectiveTimeline> timeline = timeline_of(record.traces[r], warmup);
    if (r == 0) measured.buckets = buckets_of(timeline);
    measured.ranks[r].timeline.clear();
    if (anything_ran(timeline)) measured.ranks[r].timeline = std::move(timeline);
  }
  measured.optimizer_state_bytes = record.optimizer_state_bytes;
  set_disturbed_apart(measured);
  measured.overhead_relative =
      median_or_zero({record.overhead_relative.begin() + warmup, record.overhead_relative.end()});
  if (!measured.step_times().empty()) {
    measured.relative_half_width = half_widths({measured.blocks()}).front();
  }
  return measured;
}

}  // namespace forerun
