#include "model/io/calibration.h"

#include <algorithm>
#include <cmath>

#include "model/io/workload_calibration.h"
#include "model/statistics.h"

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
              {"least_sweep_bytes", n.least_sweep_bytes},
              {"hypotheses", Json::array()}};
  for (const Hypothesis& h : n.hypotheses) out["hypotheses"].push_back(to_json(h));
  return out;
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
  if (in.has("least_sweep_bytes")) n.least_sweep_bytes = in.at("least_sweep_bytes").non_negative();
  for (const JsonReader& h : in.at("hypotheses").items())
    n.hypotheses.push_back(read_hypothesis(h));
  if (n.hypotheses.empty()) in.at("hypotheses").fail("is empty; calibrate again");
  return n;
}

}  // namespace

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
