#include "measure/block.h"

#include <algorithm>
#include <utility>

#include "measure/clock.h"
#include "measure/disturbance.h"
#include "measure/gpu/watch.h"
#include "measure/stop_rule.h"
#include "model/statistics.h"

namespace forerun {
namespace {

/// The timed parts of a step by name, from a sample to the profile.
struct Part {
  const char* key;
  double StepSample::*sample;
  std::vector<double> RankSteps::*series;
};
constexpr Part kParts[] = {
    {"load", &StepSample::load_s, &RankSteps::load_s},
    {"forward", &StepSample::forward_s, &RankSteps::forward_s},
    {"backward", &StepSample::backward_s, &RankSteps::backward_s},
    {"exposed", &StepSample::exposed_comm_s, &RankSteps::exposed_comm_s},
    {"optimizer", &StepSample::optimizer_s, &RankSteps::optimizer_s},
    {"step", &StepSample::step_time_s, &RankSteps::step_time_s},
    {"taken", &StepSample::taken_s, &RankSteps::taken_s},
};
/// Of quiet steps.
constexpr Part kQuietParts[] = {
    {"quiet_backward", &StepSample::backward_s, &RankSteps::quiet_backward_s},
    {"quiet_comm", &StepSample::exposed_comm_s, &RankSteps::quiet_comm_s},
};

struct LocalBlock {
  std::vector<StepSample> samples;  ///< of the steps that count
  std::vector<StepSample> quiet;    ///< of quiet steps
  std::vector<float> loss;          ///< of all
  std::optional<MemoryPeak> memory;
  std::optional<GpuConditions> gpu;
  bool out_of_memory = false;
};

/// One per process: to open the driver can take longer than a block.
GpuWatch& gpu_watch(const Device& device) {
  static GpuWatch watch(device.pci_address());
  return watch;
}

/// Of a GPU, what its peak is made of.
void add_parts(const MemoryPeak& peak, std::optional<GpuConditions>& gpu) {
  if (!peak.allocated_bytes) return;
  if (!gpu) gpu.emplace();  // its driver tells nothing
  gpu->allocated_bytes = peak.allocated_bytes;
  gpu->reserved_bytes = peak.reserved_bytes;
  gpu->library_bytes = peak.library_bytes;
  gpu->free_at_start_bytes = peak.free_at_start_bytes;
}

LocalBlock run_steps(Job& job, Trainer& trainer, const Dataset& data, const Sampler& sampler,
                     const BlockSpec& spec) {
  LocalBlock block;
  const Communicator& group = *trainer.group();
  const int last = spec.discard + spec.steps - 1;
  // Where ranks share processors by design, as emulated hosts do, nobody disturbs them.
  const bool undivided = job.machine.label.empty();
  const auto share_of = [&](int i) {
    return sampler.share(spec.first_step + i, group.rank(), group.size());
  };
  GpuWatch& gpu = gpu_watch(trainer.device());
  gpu.start(clock_now());
  TakenTime taken;
  std::vector<int64_t> share, next = share_of(0);
  for (int i = 0; i <= last + spec.quiet; ++i) {
    std::unique_ptr<MemoryWatch> memory;
    if (spec.watch_memory && i == last) memory = trainer.device().watch_memory();
    const bool quiet = i > last;
    trainer.set_quiet(quiet);
    share = std::exchange(next, share_of(i + 1));
    try {
      taken.lap_s();
      StepSample sample = trainer.step(data, share, next);
      if (undivided) sample.taken_s = taken.lap_s();
      block.loss.push_back(sample.loss);
      if (i >= spec.discard) (quiet ? block.quiet : block.samples).push_back(sample);
    } catch (const OutOfMemory&) {
      block.out_of_memory = true;
      if (i >= spec.discard && !quiet) block.samples.emplace_back();
    }
    if (memory != nullptr) {
      block.memory = memory->peak(job.bare_process_bytes + trainer.state_bytes());
    }
    gpu.step(clock_now());
    job.watchdog.progress();
  }
  if (gpu.active()) block.gpu = gpu.stop(clock_now());
  if (block.memory) add_parts(*block.memory, block.gpu);
  return block;
}

Json pack(const BucketTrace& t) {
  return {static_cast<int>(t.collective), t.bucket, t.size_bytes, t.ready_s, t.start_s, t.end_s};
}

BucketTrace unpack_trace(const Json& in) {
  return {.size_bytes = in.at(2),
          .ready_s = in.at(3),
          .start_s = in.at(4),
          .end_s = in.at(5),
          .collective = static_cast<Collective>(in.at(0).get<int>()),
          .bucket = in.at(1)};
}

Json pack(const Job& job, const Trainer& trainer, const LocalBlock& block) {
  Json out = {{"rank", job.world.rank()},
              {"host", job.host()},
              {"oom", block.out_of_memory},
              {"state", trainer.optimizer_state_bytes()}};
  if (block.memory) out["peak"] = block.memory->bytes;
  if (block.gpu) {
    GpuConditions gpu = *block.gpu;
    gpu.rank = job.world.rank();
    out["gpu"] = to_json(gpu);
  }
  for (const Part& part : kParts) {
    std::vector<double> series;
    for (const StepSample& sample : block.samples) series.push_back(sample.*part.sample);
    out[part.key] = series;
  }
  for (const Part& part : kQuietParts) {
    std::vector<double> series;
    for (const StepSample& sample : block.quiet) series.push_back(sample.*part.sample);
    out[part.key] = series;
  }
  out["traces"] = Json::array();
  for (const StepSample& sample : block.samples) {
    Json step = Json::array();
    for (const BucketTrace& trace : sample.buckets) step.push_back(pack(trace));
    out["traces"].push_back(std::move(step));
  }
  out["loss"] = block.loss;
  return out;
}

void unpack(const Json& in, StepRecord& record) {
  RankSteps rank;
  rank.rank = in.at("rank");
  rank.host = in.at("host");
  for (const Part& part : kParts) rank.*part.series = in.at(part.key).get<std::vector<double>>();
  rank.block.resize(rank.step_time_s.size());
  for (const Part& part : kQuietParts) {
    rank.*part.series = in.at(part.key).get<std::vector<double>>();
  }
  auto& steps = record.traces.emplace_back();
  for (const Json& step : in.at("traces")) {
    auto& traces = steps.emplace_back();
    for (const Json& trace : step) traces.push_back(unpack_trace(trace));
  }
  record.optimizer_state_bytes =
      std::max(record.optimizer_state_bytes, in.at("state").get<double>());
  const auto loss = in.at("loss").get<std::vector<double>>();
  record.loss.resize(std::max(record.loss.size(), loss.size()));
  for (size_t i = 0; i < loss.size(); ++i) record.loss[i] += loss[i];
  record.ranks.push_back(std::move(rank));
  record.out_of_memory |= in.at("oom").get<bool>();
  if (in.contains("gpu")) {
    record.gpus.push_back(read_gpu_conditions(JsonReader(in.at("gpu"), "GPU of a rank: ")));
  }
  if (in.contains("peak")) {
    record.peak_memory_bytes =
        std::max(record.peak_memory_bytes.value_or(0), in.at("peak").get<double>());
  }
}

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
  if (ranks.empty()) {
    ranks = block.ranks;
    traces = block.traces;
  } else {
    for (size_t r = 0; r < ranks.size(); ++r) {
      const double number = next_block(ranks[r]);
      for (const Part& part : kParts) {
        append_to(ranks[r].*part.series, block.ranks.at(r).*part.series);
      }
      ranks[r].block.resize(ranks[r].step_time_s.size(), number);
      for (const Part& part : kQuietParts) {
        append_to(ranks[r].*part.series, block.ranks.at(r).*part.series);
      }
      append_to(traces[r], block.traces.at(r));
    }
  }
  optimizer_state_bytes = std::max(optimizer_state_bytes, block.optimizer_state_bytes);
  append_to(overhead_relative, block.overhead_relative);
  append_to(loss, block.loss);
  add_conditions(gpus, block.gpus);
  out_of_memory |= block.out_of_memory;
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
    for (const Part& part : kParts) {
      const std::vector<double>& from = record.ranks[r].*part.series;
      std::vector<double>& to = measured.ranks[r].*part.series;
      to.insert(to.end(), from.begin() + warmup, from.end());
    }
  }
  for (size_t r = 0; r < record.ranks.size(); ++r) {
    for (const Part& part : kQuietParts) {
      append_to(measured.ranks[r].*part.series, record.ranks[r].*part.series);
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

StepRecord run_block(Job& job, Trainer& trainer, const Dataset& data, const Sampler& sampler,
                     const BlockSpec& spec) {
  Communicator& group = *trainer.group();
  group.barrier();  // one start for all; the steps then keep pace by their all-reduces alone
  const LocalBlock mine = run_steps(job, trainer, data, sampler, spec);
  StepRecord record;
  for (const std::string& text : group.gather(pack(job, trainer, mine).dump(), 0)) {
    unpack(Json::parse(text), record);
  }
  for (double& loss : record.loss) loss /= group.size();
  if (group.rank() == 0) {
    for (const StepSample& sample : mine.quiet) record.quiet_s += sample.step_time_s;
    for (const StepSample& sample : mine.samples) {
      record.overhead_relative.push_back(
          sample.step_time_s > 0 ? sample.overhead_s / sample.step_time_s : 0);
    }
  }
  return record;
}

}  // namespace forerun
