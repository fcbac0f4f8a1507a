#include "model/io/workload_calibration.h"

#include "model/strategy.h"

namespace forerun {
namespace {

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

}  // namespace

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

int read_count(const JsonReader& in, const char* key) {
  return static_cast<int>(in.at(key).whole(0));
}

double read_factor(const JsonReader& in, const std::string& key) {
  return in.has(key) ? in.at(key).positive() : 1;
}

Json to_json(const HeldOut& held_out) {
  Json out = {{"points", held_out.points}, {"refused", held_out.refused}};
  write_fields(out, held_out, kHeldOutFields);
  return out;
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
              {"amplitude", w.amplitude},
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
  w.amplitude = read_factor(in, "amplitude");
  if (w.amplitude < 1 || w.amplitude > 1e6)
    in.at("amplitude").fail("must be from 1 to 1e6; calibrate again");
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

}  // namespace forerun
