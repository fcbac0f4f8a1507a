// An explanation as JSON.
#include "calib/explain/explanation.h"

namespace forerun {
namespace {

Json to_json(const ErrorSummary& s) {
  return {{"rows", s.rows},         {"bias", s.bias},
          {"ape_median", s.median}, {"coverage_90", s.coverage_90},
          {"error_p10", s.low},     {"error_p90", s.high}};
}

Json to_json(const ErrorGroup& g) {
  return {{"name", g.name}, {"left_out", to_json(g.left_out)}, {"held_out", to_json(g.held_out)}};
}

Json to_json(const std::vector<ErrorGroup>& groups) {
  Json out = Json::array();
  for (const ErrorGroup& g : groups) out.push_back(to_json(g));
  return out;
}

Json placed(const Configuration& at) {
  return {{"nodes", at.placement.nodes()},
          {"gpus", at.world_size()},
          {"placement", at.placement.text()},
          {"local_batch", at.local_batch}};
}

Json to_json(const WorkloadExplanation& w) {
  Json out = to_json(w.all);
  out.erase("name");
  out["method"] = w.method;
  out["by_scale"] = to_json(w.by_scale);
  out["by_batch"] = to_json(w.by_batch);
  out["by_placement"] = to_json(w.by_placement);
  out["outliers"] = Json::array();
  for (const OutlierRow& row : w.outliers) {
    Json one = placed(row.at);
    one["step_time_s"] = row.observed_s;
    one["expected_s"] = row.expected_s;
    out["outliers"].push_back(one);
  }
  return out;
}

Json to_json(const ParameterExplanation& p) {
  return {{"name", p.parameter.name},
          {"value", p.parameter.value()},
          {"low", p.parameter.low()},
          {"high", p.parameter.high()},
          {"determined", p.parameter.determined},
          {"in_play", p.in_play},
          {"remedy", p.remedy}};
}

Json to_json(const MeasurementPlan& plan) {
  Json out = {{"mean_over", plan.targets},
              {"half_width_90", plan.half_width_90},
              {"measurements", Json::array()},
              {"uncertainty", Json::array()}};
  for (const MeasurementValue& step : plan.steps) {
    Json one = placed(step.at);
    one["model"] = step.workload;
    one["command"] = step.command;
    one["gpu_seconds"] = step.gpu_seconds;
    one["variance_removed"] = step.variance_removed;
    one["half_width_90"] = step.half_width_90;
    out["measurements"].push_back(one);
  }
  for (const Uncertainty& u : plan.uncertainty) {
    out["uncertainty"].push_back({{"model", u.workload},
                                  {"gpus", u.world_size},
                                  {"half_width_90", u.now},
                                  {"half_width_90_after", u.after}});
  }
  return out;
}

}  // namespace

Json explanation_json(const Calibration& calibration, const Explanation& explanation) {
  Json out = {{"parameters", Json::array()},
              {"hypotheses", Json::array()},
              {"models", Json::object()},
              {"next", Json::array()}};
  for (const ParameterExplanation& p : explanation.parameters)
    out["parameters"].push_back(to_json(p));
  for (const WorkloadExplanation& w : explanation.workloads) out["models"][w.name] = to_json(w);
  for (size_t i = 0; i < calibration.networks.size(); ++i) {
    const NetworkCalibration& network = calibration.networks[i];
    for (const Hypothesis& h : network.hypotheses) {
      out["hypotheses"].push_back(
          {{"cluster", network.cluster}, {"name", h.name}, {"weight", h.weight}});
    }
    Json plan = to_json(explanation.plans[i]);
    plan["cluster"] = network.cluster;
    out["next"].push_back(plan);
  }
  return out;
}

}  // namespace forerun
