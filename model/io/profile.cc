#include "model/io/profile.h"

#include <algorithm>
#include <map>
#include <regex>

#include "model/error.h"

namespace forerun {
namespace {

constexpr char kFormat[] = "forerun-profile";

/// The per-step series of a rank by their keys: written and read by the same table.
constexpr std::pair<const char*, std::vector<double> RankSteps::*> kSeries[] = {
    {"load_s", &RankSteps::load_s},           {"forward_s", &RankSteps::forward_s},
    {"backward_s", &RankSteps::backward_s},   {"exposed_comm_s", &RankSteps::exposed_comm_s},
    {"optimizer_s", &RankSteps::optimizer_s}, {"step_time_s", &RankSteps::step_time_s},
};

/// The rest of a rank's series, of lengths of their own; written where not empty.
constexpr std::pair<const char*, std::vector<double> RankSteps::*> kQuietSeries[] = {
    {"quiet_backward_s", &RankSteps::quiet_backward_s},
    {"quiet_comm_s", &RankSteps::quiet_comm_s},
};

/// One number per step like kSeries; younger than the format, so written where not empty.
constexpr std::pair<const char*, std::vector<double> RankSteps::*> kLaterSeries[] = {
    {"taken_s", &RankSteps::taken_s},
    {"block", &RankSteps::block},
};

constexpr std::pair<const char*, std::optional<MedianEstimate> CommunicationFigures::*> kFigures[] =
    {
        {"exposed_s", &CommunicationFigures::exposed_s},
        {"waiting_s", &CommunicationFigures::waiting_s},
        {"slower_inside", &CommunicationFigures::slower_inside},
        {"slows_compute", &CommunicationFigures::slows_compute},
};

Placement read_placement(const JsonReader& in) {
  const JsonReader place = in.at("placement");
  try {
    return Placement::from_text(place.text());
  } catch (const Error& error) {
    place.fail(error.what());
  }
}

Json to_json(const SweepPoint& point) {
  return {{"collective", point.collective},
          {"transport", point.transport},
          {"placement", point.placement.text()},
          {"size_bytes", point.size_bytes},
          {"samples_s", point.samples_s}};
}

SweepPoint read_sweep_point(const JsonReader& in) {
  SweepPoint point;
  point.collective = in.at("collective").text();
  point.transport = in.text_or("transport", "");
  point.placement = read_placement(in);
  point.size_bytes = in.at("size_bytes").positive();
  for (const JsonReader& sample : in.at("samples_s").items()) {
    point.samples_s.push_back(sample.positive());
  }
  return point;
}

Json to_json(const HostPair& pair) {
  return {{"first", pair.first},
          {"second", pair.second},
          {"size_bytes", pair.size_bytes},
          {"samples_s", pair.samples_s}};
}

HostPair read_pair(const JsonReader& in) {
  HostPair pair{in.at("first").text(), in.at("second").text(), in.at("size_bytes").positive(), {}};
  for (const JsonReader& sample : in.at("samples_s").items()) {
    pair.samples_s.push_back(sample.positive());
  }
  return pair;
}

Json to_json(const CollectiveTimeline& timeline) {
  return {{"collective", timeline.collective}, {"bucket", timeline.bucket},
          {"size_bytes", timeline.size_bytes}, {"ready_s", timeline.ready_s},
          {"start_s", timeline.start_s},       {"end_s", timeline.end_s}};
}

CollectiveTimeline read_timeline(const JsonReader& in) {
  CollectiveTimeline timeline;
  timeline.collective = in.at("collective").text();
  timeline.bucket = static_cast<int>(in.at("bucket").whole(-1));
  timeline.size_bytes = in.at("size_bytes").positive();
  timeline.ready_s = in.at("ready_s").numbers();
  timeline.start_s = in.at("start_s").numbers();
  timeline.end_s = in.at("end_s").numbers();
  if (timeline.start_s.size() != timeline.end_s.size() ||
      timeline.ready_s.size() != timeline.end_s.size()) {
    in.fail("ready_s, start_s and end_s have different lengths");
  }
  return timeline;
}

Json to_json(const CommunicationFigures& figures) {
  Json out = Json::object();
  for (const auto& [key, figure] : kFigures) {
    const std::optional<MedianEstimate>& e = figures.*figure;
    if (e) out[key] = {{"median", e->median}, {"low", e->low}, {"high", e->high}};
  }
  return out;
}

CommunicationFigures read_figures(const JsonReader& in) {
  CommunicationFigures figures;
  for (const auto& [key, figure] : kFigures) {
    if (!in.has(key)) continue;
    const JsonReader e = in.at(key);
    figures.*figure =
        MedianEstimate{e.at("median").number(), e.at("low").number(), e.at("high").number()};
  }
  return figures;
}

Json to_json(const RankSteps& rank) {
  Json out = {{"rank", rank.rank}, {"host", rank.host}};
  for (const auto& [key, series] : kSeries) out[key] = rank.*series;
  for (const auto& [key, series] : kQuietSeries) {
    if (!(rank.*series).empty()) out[key] = rank.*series;
  }
  for (const CollectiveTimeline& timeline : rank.timeline) {
    out["timeline"].push_back(to_json(timeline));
  }
  for (const auto& [key, series] : kLaterSeries) {
    if (!(rank.*series).empty()) out[key] = rank.*series;
  }
  return out;
}

RankSteps read_rank(const JsonReader& in) {
  RankSteps rank;
  rank.rank = static_cast<int>(in.at("rank").whole(0));
  rank.host = in.text_or("host", "");
  for (const auto& [key, series] : kSeries) {
    const JsonReader values = in.at(key);
    for (const JsonReader& item : values.items()) (rank.*series).push_back(item.non_negative());
  }
  for (const auto& [key, series] : kQuietSeries) {
    if (!in.has(key)) continue;
    for (const JsonReader& item : in.at(key).items()) (rank.*series).push_back(item.non_negative());
  }
  if (in.has("timeline")) {
    for (const JsonReader& item : in.at("timeline").items()) {
      rank.timeline.push_back(read_timeline(item));
    }
  }
  for (const JsonReader& item : in.at("step_time_s").items()) item.positive();
  const auto require_length = [&](const char* key, size_t length) {
    if (length == rank.step_time_s.size()) return;
    in.at(key).fail("has " + std::to_string(length) + " steps (step_time_s has " +
                    std::to_string(rank.step_time_s.size()) + ")");
  };
  for (const auto& [key, series] : kSeries) require_length(key, (rank.*series).size());
  for (const auto& [key, series] : kLaterSeries) {
    if (!in.has(key)) continue;
    for (const JsonReader& item : in.at(key).items()) (rank.*series).push_back(item.non_negative());
    require_length(key, (rank.*series).size());
  }
  return rank;
}

Json to_json(const WorkloadProfile& workload) {
  Json out = {{"name", workload.name},
              {"input", workload.input},
              {"optimizer", workload.optimizer},
              {"parameters", workload.parameters},
              {"grad_bytes", workload.grad_bytes},
              {"flop_per_sample", workload.flop_per_sample}};
  if (workload.noise_scale) out["noise_scale_samples"] = *workload.noise_scale;
  out["configurations"] = Json::array();
  for (const auto& measured : workload.configurations)
    out["configurations"].push_back(to_json(measured));
  return out;
}

WorkloadProfile read_workload(const JsonReader& in) {
  WorkloadProfile workload;
  workload.name = in.at("name").text();
  workload.input = in.text_or("input", "");
  workload.optimizer = in.text_or("optimizer", "");
  workload.parameters = in.at("parameters").positive();
  workload.grad_bytes = in.at("grad_bytes").positive();
  workload.flop_per_sample = in.number_or("flop_per_sample", 0);
  workload.noise_scale = in.optional_number("noise_scale_samples");
  for (const JsonReader& item : in.at("configurations").items()) {
    workload.configurations.push_back(read_measured(item));
  }
  return workload;
}

}  // namespace

bool same_machine(const Machine& a, const Machine& b) {
  // `cpu; 2 x EPYC with 64 cores; 1 thread per rank` without the 2.
  static const std::regex host_count("; [0-9]+ x ");
  const auto kinds = [](const Machine& m) {
    return std::regex_replace(m.fingerprint, host_count, "; ");
  };
  return kinds(a) == kinds(b);
}

std::vector<double> MeasuredConfiguration::step_times() const {
  if (ranks.empty()) return {};
  std::vector<double> slowest = ranks.front().step_time_s;
  for (const RankSteps& rank : ranks) {
    slowest.resize(std::min(slowest.size(), rank.step_time_s.size()));
    for (size_t i = 0; i < slowest.size(); ++i)
      slowest[i] = std::max(slowest[i], rank.step_time_s[i]);
  }
  return slowest;
}

Blocks MeasuredConfiguration::blocks() const {
  if (ranks.empty() || ranks.front().block.empty()) return {};
  const std::vector<double> times = step_times();
  std::map<double, std::vector<double>> by_number;
  for (size_t i = 0; i < times.size(); ++i) {
    by_number[ranks.front().block[i]].push_back(times[i]);
  }
  Blocks blocks;
  for (auto& [number, steps] : by_number) blocks.push_back(std::move(steps));
  return blocks;
}

MeasuredConfiguration* WorkloadProfile::find(const Configuration& at) {
  const auto found = std::find_if(configurations.begin(), configurations.end(),
                                  [&](const MeasuredConfiguration& c) { return c.at == at; });
  return found == configurations.end() ? nullptr : &*found;
}

WorkloadProfile* Profile::find(const std::string& model) {
  const auto found = std::find_if(workloads.begin(), workloads.end(),
                                  [&](const WorkloadProfile& w) { return w.name == model; });
  return found == workloads.end() ? nullptr : &*found;
}

const WorkloadProfile* Profile::find(const std::string& model) const {
  return const_cast<Profile*>(this)->find(model);
}

Json to_json(const Host& host) {
  Json out = {{"hostname", host.hostname},
              {"processor", host.processor},
              {"cores", host.cores},
              {"numa_nodes", host.numa_nodes},
              {"memory_bytes", host.memory_bytes},
              {"last_level_cache_bytes", host.last_level_cache_bytes}};
  for (const Gpu& gpu : host.gpus) out["gpus"].push_back(to_json(gpu));
  for (const Nic& nic : host.nics) out["nics"].push_back(to_json(nic));
  return out;
}

Host read_host(const JsonReader& in) {
  Host host;
  host.hostname = in.at("hostname").text();
  host.processor = in.text_or("processor", "");
  host.cores = static_cast<int>(in.at("cores").whole(1));
  host.numa_nodes = static_cast<int>(in.number_or("numa_nodes", 1));
  host.memory_bytes = in.number_or("memory_bytes", 0);
  host.last_level_cache_bytes = in.number_or("last_level_cache_bytes", 0);
  if (in.has("gpus")) {
    for (const JsonReader& gpu : in.at("gpus").items()) host.gpus.push_back(read_gpu(gpu));
  }
  if (in.has("nics")) {
    for (const JsonReader& nic : in.at("nics").items()) host.nics.push_back(read_nic(nic));
  }
  return host;
}

Json to_json(const Machine& machine) {
  Json hosts = Json::array();
  for (const Host& host : machine.hosts) hosts.push_back(to_json(host));
  Json out = {{"fingerprint", machine.fingerprint},
              {"device", machine.device},
              {"max_ranks", machine.max_ranks},
              {"threads_per_rank", machine.threads_per_rank},
              {"memory_per_rank_bytes", machine.memory_per_rank_bytes},
              {"label", machine.label},
              {"launch_line", machine.launch_line},
              {"clock", machine.clock},
              {"hosts", hosts},
              {"libraries", machine.libraries}};
  if (!machine.nccl.empty()) out["nccl"] = to_json(machine.nccl);
  return out;
}

Machine read_machine(const JsonReader& in) {
  Machine machine;
  machine.fingerprint = in.at("fingerprint").text();
  machine.device = in.at("device").text();
  machine.max_ranks = static_cast<int>(in.at("max_ranks").whole(1));
  machine.threads_per_rank = static_cast<int>(in.at("threads_per_rank").whole(1));
  machine.memory_per_rank_bytes = in.number_or("memory_per_rank_bytes", 0);
  machine.label = in.text_or("label", "");
  machine.launch_line = in.text_or("launch_line", "");
  machine.clock = in.text_or("clock", "");
  for (const JsonReader& host : in.at("hosts").items()) machine.hosts.push_back(read_host(host));
  const JsonReader libraries = in.at("libraries");
  for (const auto& [name, version] : libraries.node().items()) {
    machine.libraries[name] = libraries.at(name).text();
  }
  if (in.has("nccl")) machine.nccl = nccl_report(in.at("nccl"));
  return machine;
}

Json to_json(const MeasuredConfiguration& measured) {
  Json out = {{"placement", measured.at.placement.text()},
              {"local_batch", measured.at.local_batch},
              {"accumulation", measured.at.accumulation},
              {"strategy", measured.at.strategy},
              {"precision", measured.at.precision},
              {"status", measured.status},
              {"role", measured.role},
              {"warmup_steps", measured.warmup_steps},
              {"relative_half_width", measured.relative_half_width},
              {"overhead_relative", measured.overhead_relative}};
  if (measured.peak_memory_bytes) out["peak_memory_bytes"] = *measured.peak_memory_bytes;
  if (measured.optimizer_state_bytes) {
    out["optimizer_state_bytes"] = *measured.optimizer_state_bytes;
  }
  if (!(measured.communication == CommunicationFigures{})) {
    out["communication"] = to_json(measured.communication);
  }
  out["buckets"] = Json::array();
  for (const BucketReady& bucket : measured.buckets) {
    Json one = {{"size_bytes", bucket.size_bytes}, {"ready_s", bucket.ready_s}};
    if (bucket.end_s > 0) {
      one["start_s"] = bucket.start_s;
      one["end_s"] = bucket.end_s;
    }
    out["buckets"].push_back(std::move(one));
  }
  for (const GpuConditions& gpu : measured.gpus) out["gpus"].push_back(to_json(gpu));
  out["ranks"] = Json::array();
  for (const RankSteps& rank : measured.ranks) out["ranks"].push_back(to_json(rank));
  for (const RankSteps& rank : measured.disturbed) out["disturbed"].push_back(to_json(rank));
  return out;
}

MeasuredConfiguration read_measured(const JsonReader& in) {
  MeasuredConfiguration measured;
  measured.at.placement = read_placement(in);
  measured.at.local_batch = static_cast<int>(in.at("local_batch").whole(1));
  measured.at.accumulation = static_cast<int>(in.at("accumulation").whole(1));
  measured.at.strategy = in.at("strategy").text();
  measured.at.precision = in.at("precision").text();
  measured.status = in.at("status").text();
  measured.role = in.text_or("role", "fit");
  measured.warmup_steps = static_cast<int>(in.number_or("warmup_steps", 0));
  measured.relative_half_width = in.number_or("relative_half_width", 0);
  measured.overhead_relative = in.number_or("overhead_relative", 0);
  measured.peak_memory_bytes = in.optional_number("peak_memory_bytes");
  measured.optimizer_state_bytes = in.optional_number("optimizer_state_bytes");
  if (in.has("communication")) measured.communication = read_figures(in.at("communication"));
  for (const JsonReader& bucket : in.at("buckets").items()) {
    measured.buckets.push_back({bucket.at("size_bytes").positive(),
                                bucket.at("ready_s").non_negative(), bucket.number_or("start_s", 0),
                                bucket.number_or("end_s", 0)});
  }
  if (in.has("gpus")) {
    for (const JsonReader& gpu : in.at("gpus").items()) {
      measured.gpus.push_back(read_gpu_conditions(gpu));
    }
  }
  for (const JsonReader& rank : in.at("ranks").items()) measured.ranks.push_back(read_rank(rank));
  if (in.has("disturbed")) {
    for (const JsonReader& rank : in.at("disturbed").items()) {
      measured.disturbed.push_back(read_rank(rank));
    }
  }
  return measured;
}

Profile load_profile(const std::filesystem::path& path) {
  const Json document = load_document(path, kFormat, kProfileVersion);
  const JsonReader in(document, path.string() + ": ");
  Profile profile;
  profile.machine = read_machine(in.at("machine"));
  for (const JsonReader& point : in.at("network").items()) {
    profile.network.push_back(read_sweep_point(point));
  }
  if (in.has("pairs")) {
    for (const JsonReader& pair : in.at("pairs").items()) profile.pairs.push_back(read_pair(pair));
  }
  for (const JsonReader& workload : in.at("workloads").items()) {
    profile.workloads.push_back(read_workload(workload));
  }
  return profile;
}

void save_profile(const std::filesystem::path& path, const Profile& profile) {
  Json document = {
      {"format", kFormat}, {"version", kProfileVersion}, {"machine", to_json(profile.machine)}};
  document["network"] = Json::array();
  for (const SweepPoint& point : profile.network) document["network"].push_back(to_json(point));
  for (const HostPair& pair : profile.pairs) document["pairs"].push_back(to_json(pair));
  document["workloads"] = Json::array();
  for (const WorkloadProfile& workload : profile.workloads) {
    document["workloads"].push_back(to_json(workload));
  }
  save_document(path, document);
}

}  // namespace forerun
