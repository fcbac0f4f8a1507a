#include "measure/block.h"

#include <algorithm>
#include <utility>

#include "measure/clock.h"
#include "measure/disturbance.h"
#include "measure/gpu/watch.h"

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
  gpu->nccl_bytes = peak.nccl_bytes;
  gpu->free_at_start_bytes = peak.free_at_start_bytes;
}

/// What a library holds for groups of other sizes is none of this configuration's.
void leave_out_others(MemoryPeak& peak, const LibraryMemory& memory) {
  if (!peak.library_bytes) return;
  const double less = std::min(*peak.library_bytes, memory.others_bytes);
  *peak.library_bytes -= less;
  peak.bytes -= less;
  peak.nccl_bytes = memory.group_bytes;
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
      block.memory =
          memory->peak(job.bare_process_bytes + trainer.state_bytes(), spec.others_bytes);
      if (block.memory) leave_out_others(*block.memory, group.library_memory());
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

}  // namespace

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
