#include "model/io/calibration.h"

#include <algorithm>
#include <cmath>

#include "model/statistics.h"
#include "model/strategy.h"

namespace forerun {
namespace {

constexpr char kFormat[] = "forerun-calibration";

using ProcessField = std::pair<const char*, double ResidualProcess::*>;
constexpr std::array<ProcessField, 8> kProcessFields = {
    {{"compute_sd", &ResidualProcess::compute_sd},
     {"compute_length_doublings", &ResidualProcess::compute_length},
     {"scale_sd", &ResidualProcess::scale_sd},
     {"batch_length_doublings", &ResidualProcess::batch_length},
     {"placement_sd", &ResidualProcess::placement_sd},
     {"noise_sd", &ResidualProcess::noise_sd},
     {"communication_noise_sd", &ResidualProcess::communication_noise_sd},
     {"sweep_sd", &ResidualProcess::sweep_sd}}};

/// Doubles of a struct by their keys: written and read by the same table.
template <class S, class Fields>
void write_fields(Json& out, const S& from, const Fields& fields) {
  for (const auto& [key, member] : fields) out[key] = from.*member;
}

/// A field that an older file does not have keeps its default.
template <class S, class Fields>
void read_fields(const JsonReader& in, S& to, const Fields& fields) {
  for (const auto& [key, member] : fields) to.*member = in.number_or(key, to.*member);
}

Json to_json(const ParameterBlock& block) {
  return {
      {"prior_mean", block.prior_mean}, {"prior_sd", block.prior_sd}, {"estimate", block.estimate}};
}

ParameterBlock read_block(const JsonReader& in) {
  ParameterBlock block = {in.at("prior_mean").numbers(), in.at("prior_sd").numbers(),
                          in.at("estimate").numbers()};
  if (block.prior_mean.size() != block.estimate.size() ||
      block.prior_sd.size() != block.estimate.size()) {
    in.fail("prior_mean, prior_sd and estimate must be equally long; calibrate again");
  }
  return block;
}

Json to_json(const Parameter& p) {
  return {{"name", p.name},   {"value", p.value()},     {"low", p.low()},
          {"high", p.high()}, {"estimate", p.estimate}, {"sd", p.sd},
          {"log", p.log},     {"prior_sd", p.prior_sd}, {"determined", p.determined}};
}

Parameter read_parameter(const JsonReader& in) {
  return {in.at("name").text(),   in.at("estimate").number(),       in.at("sd").non_negative(),
          in.at("log").boolean(), in.at("prior_sd").non_negative(), in.at("determined").boolean()};
}

Json to_json(const Hypothesis& h) {
  Json process;
  write_fields(process, h.process, kProcessFields);
  return {{"name", h.name},
          {"weight", h.weight},
          {"network", to_json(h.network)},
          {"network_covariance", h.network_covariance},
          {"residual_process", process}};
}

Hypothesis read_hypothesis(const JsonReader& in) {
  Hypothesis h;
  h.name = in.at("name").text();
  h.weight = in.at("weight").non_negative();
  h.network = read_block(in.at("network"));
  h.network_covariance = in.at("network_covariance").numbers();
  if (h.network_covariance.size() != h.network.estimate.size() * h.network.estimate.size()) {
    in.at("network_covariance")
        .fail("must be a square of the network's parameters; calibrate again");
  }
  read_fields(in.at("residual_process"), h.process, kProcessFields);
  return h;
}

Json to_json(const NetworkCalibration& n) {
  Json out = {{"cluster", n.cluster},
              {"intra_measured", n.intra_measured},
              {"inter_measured", n.inter_measured},
              {"bytes_known", n.bytes_known},
              {"interval_scale", n.interval_scale},
              {"max_nodes", n.max_nodes},
              {"max_gpus", n.max_gpus},
              {"max_gpus_per_node", n.max_gpus_per_node},
              {"hypotheses", Json::array()}};
  for (const Hypothesis& h : n.hypotheses) out["hypotheses"].push_back(to_json(h));
  return out;
}

int read_count(const JsonReader& in, const char* key) {
  return static_cast<int>(in.at(key).whole(0));
}

/// A factor on a time; 1 in a file older than it is.
double read_factor(const JsonReader& in, const std::string& key) {
  return in.has(key) ? in.at(key).positive() : 1;
}

NetworkCalibration read_network(const JsonReader& in) {
  NetworkCalibration n;
  n.cluster = in.at("cluster").text();
  n.intra_measured = in.at("intra_measured").boolean();
  n.inter_measured = in.at("inter_measured").boolean();
  n.bytes_known = in.at("bytes_known").boolean();
  n.interval_scale = read_factor(in, "interval_scale");
  n.max_nodes = read_count(in, "max_nodes");
  n.max_gpus = read_count(in, "max_gpus");
  n.max_gpus_per_node = read_count(in, "max_gpus_per_node");
  for (const JsonReader& h : in.at("hypotheses").items())
    n.hypotheses.push_back(read_hypothesis(h));
  if (n.hypotheses.empty()) in.at("hypotheses").fail("is empty; calibrate again");
  return n;
}

HeldOut read_held_out(const JsonReader& in) {
  HeldOut held_out;
  held_out.points = read_count(in, "points");
  held_out.refused = read_count(in, "refused");
  read_fields(in, held_out, kHeldOutFields);
  return held_out;
}

Json to_json(const Configuration& at) {
  return {{"placement", at.placement.text()},
          {"local_batch", at.local_batch},
          {"accumulation", at.accumulation},
          {"strategy", at.strategy},
          {"precision", at.precision}};
}

Json to_json(const FittedPoint& point) {
  Json out = to_json(point.at);
  out["step_time_s"] = point.step_time_s;
  out["noise_variance"] = point.noise_variance;
  return out;
}

Json to_json(const UnexpectedPoint& point) {
  Json out = to_json(point.at);
  out["step_time_s"] = point.step_time_s;
  out["variance"] = point.variance;
  out["runs"] = point.runs;
  return out;
}

/// In files from before points said it, the workload's name does: "resnet18/zero1@bfloat16".
std::string strategy_in(const std::string& workload) {
  const std::string name = workload.substr(0, workload.rfind('@'));
  for (const StrategyPattern& pattern : kStrategyPatterns) {
    if (name.ends_with("/" + std::string(pattern.name))) return std::string(pattern.name);
  }
  return "ddp";
}

Configuration read_configuration(const JsonReader& in, const std::string& workload) {
  Configuration at;
  at.placement = Placement::from_text(in.at("placement").text());
  at.local_batch = static_cast<int>(in.at("local_batch").whole(1));
  at.accumulation = static_cast<int>(in.at("accumulation").whole(1));
  at.strategy = in.text_or("strategy", strategy_in(workload));
  at.precision = in.text_or("precision", at.precision);
  return at;
}

FittedPoint read_point(const JsonReader& in, const std::string& workload) {
  return {.at = read_configuration(in, workload),
          .step_time_s = in.at("step_time_s").positive(),
          .noise_variance = in.at("noise_variance").non_negative()};
}

UnexpectedPoint read_unexpected(const JsonReader& in, const std::string& workload) {
  return {.at = read_configuration(in, workload),
          .step_time_s = in.at("step_time_s").positive(),
          .variance = in.at("variance").non_negative(),
          .runs = static_cast<int>(in.at("runs").whole(1))};
}

Json to_json(const MemoryModel& memory) {
  return {{"fixed_bytes", memory.fixed.value()},
          {"per_sample_bytes", memory.per_sample.value()},
          {"largest_probed_batch", memory.largest_probed_batch}};
}

Json to_json(const std::vector<BucketShare>& shares) {
  Json out = Json::array();
  for (const BucketShare& s : shares) out.push_back({{"bytes", s.bytes}, {"ready", s.ready}});
  return out;
}

/// A file older than they are holds none.
std::vector<BucketShare> read_bucket_shares(const JsonReader& in) {
  std::vector<BucketShare> shares;
  if (!in.has("bucket_shares")) return shares;
  for (const JsonReader& s : in.at("bucket_shares").items()) {
    shares.push_back({s.at("bytes").positive(), s.at("ready").non_negative()});
  }
  return shares;
}

/// Those that differ from their formulas, by name.
Json to_json(const CollectiveFactors::Level& level) {
  Json out = Json::object();
  for (const Collective collective : kCollectives) {
    if (level[collective] != 1) out[collective_name(collective)] = level[collective];
  }
  return out;
}

CollectiveFactors::Level read_level(const JsonReader& in) {
  CollectiveFactors::Level level;
  for (const Collective collective : kCollectives) {
    level[collective] = read_factor(in, collective_name(collective));
  }
  return level;
}

/// Older files have one factor for both levels.
CollectiveFactors read_collective_factors(const JsonReader& in) {
  if (!in.has("collective_factors")) return {};
  const JsonReader factors = in.at("collective_factors");
  const auto level = [&](const char* name) {
    return read_level(factors.has(name) ? factors.at(name) : factors);
  };
  return {level("intra"), level("inter")};
}

Json to_json(const WorkloadCalibration& w) {
  Json out = {{"name", w.name},
              {"network", w.network},
              {"grad_bytes", w.grad_bytes},
              {"buckets", w.buckets},
              {"serial_share", w.serial_share},
              {"optimizer_s", w.optimizer_s},
              {"load_s_per_sample", w.load_s_per_sample},
              {"bucket_shares", to_json(w.bucket_shares)},
              {"collective_slowdown", w.collective_slowdown},
              {"compute_slowdown", w.compute_slowdown},
              {"collective_factors",
               {{"intra", to_json(w.collective_factors.intra)},
                {"inter", to_json(w.collective_factors.inter)}}},
              {"repeat_variance", w.repeat_variance},
              {"shape_log_batch", w.shape_log_batch},
              {"shape_log_factor", w.shape_log_factor},
              {"batches_measured", w.batches_measured},
              {"one_rank_batches", w.one_rank_batches},
              {"curve_variance_per_doubling", w.curve_variance},
              {"min_gpus", w.min_gpus},
              {"max_gpus", w.max_gpus},
              {"max_nodes", w.max_nodes},
              {"max_gpus_per_node", w.max_gpus_per_node},
              {"method", w.method},
              {"method_error", w.method_error},
              {"hypotheses", Json::array()},
              {"points", Json::array()},
              {"naive", Json::object()}};
  if (w.memory) out["memory"] = to_json(*w.memory);
  if (w.noise_scale) out["noise_scale_samples"] = *w.noise_scale;
  if (w.held_out) out["held_out"] = to_json(*w.held_out);
  for (const auto& [name, held_out] : w.naive) out["naive"][name] = to_json(held_out);
  for (const ParameterBlock& block : w.hypotheses) out["hypotheses"].push_back(to_json(block));
  for (const FittedPoint& point : w.points) out["points"].push_back(to_json(point));
  for (const UnexpectedPoint& point : w.unexpected) {
    out["unexpected"].push_back(to_json(point));
  }
  return out;
}

/// Files from before they were written tell by their points.
std::vector<int> read_one_rank_batches(const JsonReader& in) {
  std::vector<int> out;
  if (in.has("one_rank_batches")) {
    for (const JsonReader& b : in.at("one_rank_batches").items())
      out.push_back(static_cast<int>(b.whole(1)));
    return out;
  }
  for (const JsonReader& point : in.at("points").items()) {
    if (point.at("placement").text() == "1")
      out.push_back(static_cast<int>(point.at("local_batch").whole(1)));
  }
  return out;
}

WorkloadCalibration read_workload(const JsonReader& in) {
  WorkloadCalibration w;
  w.name = in.at("name").text();
  w.network = read_count(in, "network");
  w.grad_bytes = in.at("grad_bytes").non_negative();
  w.buckets = in.at("buckets").positive();
  w.serial_share = in.at("serial_share").non_negative();
  w.optimizer_s = in.at("optimizer_s").non_negative();
  w.load_s_per_sample = in.at("load_s_per_sample").non_negative();
  w.bucket_shares = read_bucket_shares(in);
  w.collective_slowdown = read_factor(in, "collective_slowdown");
  w.compute_slowdown = read_factor(in, "compute_slowdown");
  w.collective_factors = read_collective_factors(in);
  w.repeat_variance = in.at("repeat_variance").non_negative();
  w.shape_log_batch = in.at("shape_log_batch").numbers();
  w.shape_log_factor = in.at("shape_log_factor").numbers();
  for (const JsonReader& b : in.at("batches_measured").items())
    w.batches_measured.push_back(static_cast<int>(b.whole(1)));
  w.one_rank_batches = read_one_rank_batches(in);
  if (in.has("curve_variance_per_doubling"))
    w.curve_variance = in.at("curve_variance_per_doubling").non_negative();
  w.min_gpus = in.has("min_gpus") ? static_cast<int>(in.at("min_gpus").whole(1)) : 1;
  w.max_gpus = read_count(in, "max_gpus");
  w.max_nodes = read_count(in, "max_nodes");
  w.max_gpus_per_node = read_count(in, "max_gpus_per_node");
  w.method = in.at("method").text();
  w.method_error = in.at("method_error").non_negative();
  for (const JsonReader& block : in.at("hypotheses").items())
    w.hypotheses.push_back(read_block(block));
  for (const JsonReader& point : in.at("points").items())
    w.points.push_back(read_point(point, w.name));
  if (in.has("unexpected")) {
    for (const JsonReader& point : in.at("unexpected").items())
      w.unexpected.push_back(read_unexpected(point, w.name));
  }
  if (w.points.empty() || w.batches_measured.empty()) in.fail("holds no points; calibrate again");
  if (w.shape_log_batch.size() != w.shape_log_factor.size()) {
    in.fail("shape_log_batch and shape_log_factor must be equally long; calibrate again");
  }
  if (in.has("memory")) {
    const JsonReader memory = in.at("memory");
    w.memory = MemoryModel{Bytes<>(memory.at("fixed_bytes").number()),
                           BytesPerSample<>(memory.at("per_sample_bytes").number()),
                           memory.at("largest_probed_batch").number()};
  }
  w.noise_scale = in.optional_number("noise_scale_samples");
  if (in.has("held_out")) w.held_out = read_held_out(in.at("held_out"));
  const JsonReader naive = in.at("naive");
  for (const auto& [name, unused] : naive.node().items())
    w.naive[name] = read_held_out(naive.at(name));
  return w;
}

}  // namespace

Json to_json(const HeldOut& held_out) {
  Json out = {{"points", held_out.points}, {"refused", held_out.refused}};
  write_fields(out, held_out, kHeldOutFields);
  return out;
}

double Parameter::value() const { return log ? std::exp(estimate) : estimate; }
double Parameter::low() const {
  return log ? std::exp(estimate - kNormal90 * sd) : estimate - kNormal90 * sd;
}
double Parameter::high() const {
  return log ? std::exp(estimate + kNormal90 * sd) : estimate + kNormal90 * sd;
}

std::string cluster_prefix(const std::string& cluster, bool several, char separator) {
  return several && !cluster.empty() ? cluster + separator : "";
}

const WorkloadCalibration* Calibration::find(const std::string& model) const {
  const auto found = std::find_if(workloads.begin(), workloads.end(),
                                  [&](const WorkloadCalibration& w) { return w.name == model; });
  return found == workloads.end() ? nullptr : &*found;
}

const NetworkCalibration* Calibration::network_of(const std::string& cluster) const {
  for (const NetworkCalibration& network : networks) {
    if (network.cluster == cluster) return &network;
  }
  const bool only = networks.size() == 1 && (cluster.empty() || networks.front().cluster.empty());
  return only ? &networks.front() : nullptr;
}

const Parameter* Calibration::parameter(const std::string& name) const {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const Parameter& p) { return p.name == name; });
  return found == parameters.end() ? nullptr : &*found;
}

void save_calibration(const std::filesystem::path& path, const Calibration& calibration) {
  Json document = {{"format", kFormat},
                   {"version", kCalibrationVersion},
                   {"source", calibration.source},
                   {"device", calibration.device},
                   {"label", calibration.label},
                   {"held_out_by", calibration.held_out_by},
                   {"max_ranks", calibration.max_ranks},
                   {"threads_per_rank", calibration.threads_per_rank},
                   {"memory_per_rank_bytes", calibration.memory_per_rank_bytes},
                   {"converged", calibration.converged},
                   {"parameters", Json::array()},
                   {"networks", Json::array()},
                   {"workloads", Json::array()}};
  for (const Parameter& p : calibration.parameters) document["parameters"].push_back(to_json(p));
  for (const NetworkCalibration& n : calibration.networks)
    document["networks"].push_back(to_json(n));
  for (const WorkloadCalibration& w : calibration.workloads)
    document["workloads"].push_back(to_json(w));
  save_document(path, document);
}

Calibration load_calibration(const std::filesystem::path& path) {
  const Json document = load_document(path, kFormat, kCalibrationVersion);
  const JsonReader in(document, path.string() + ": ");
  Calibration calibration;
  calibration.source = in.at("source").text();
  calibration.device = in.at("device").text();
  calibration.label = in.at("label").text();
  calibration.held_out_by = in.at("held_out_by").text();
  calibration.max_ranks = read_count(in, "max_ranks");
  calibration.threads_per_rank = static_cast<int>(in.at("threads_per_rank").whole(1));
  calibration.memory_per_rank_bytes = in.at("memory_per_rank_bytes").non_negative();
  calibration.converged = in.at("converged").boolean();
  for (const JsonReader& p : in.at("parameters").items())
    calibration.parameters.push_back(read_parameter(p));
  for (const JsonReader& n : in.at("networks").items())
    calibration.networks.push_back(read_network(n));
  for (const JsonReader& w : in.at("workloads").items())
    calibration.workloads.push_back(read_workload(w));
  for (const WorkloadCalibration& w : calibration.workloads) {
    if (w.network >= static_cast<int>(calibration.networks.size()) ||
        w.hypotheses.size() != calibration.networks[w.network].hypotheses.size()) {
      in.at("workloads")
          .fail("workload " + w.name + " does not match the networks; calibrate again");
    }
  }
  return calibration;
}

}  // namespace forerun
