#include "model/io/profile.h"

#include <algorithm>

namespace forerun {
namespace {

constexpr char kFormat[] = "forerun-profile";

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
