#include "predict/document.h"

#include <charconv>

#include "model/io/observations.h"

namespace forerun {
namespace {

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json placement_json(const Configuration& at) {
  return {{"gpus", at.world_size()},
          {"nodes", at.placement.nodes()},
          {"gpus_per_node", at.placement.max_ranks_per_node()},
          {"placement", at.placement.text()}};
}

Json breakdown_json(const StepTime<>& parts) {
  return {{"compute_s", parts.compute.value()},
          {"exposed_communication_s", parts.exposed_communication.value()},
          {"waiting_s", parts.waiting.value()},
          {"loader_s", parts.loader.value()},
          {"optimizer_s", parts.optimizer.value()}};
}

Json unexpected_json(const std::optional<Unexpected>& unexpected) {
  if (!unexpected) return nullptr;
  return {{"measured_s", unexpected->measured.value()},
          {"expected_s", unexpected->expected.value()},
          {"runs", unexpected->runs}};
}

Json candidate_json(const Candidate& c) {
  const auto known = [&](double value) { return c.predicted ? Json(value) : Json(nullptr); };
  const bool divides = c.at.local_batch > 0;
  Json out = placement_json(c.at);
  out["local_batch"] = divides ? Json(c.at.local_batch) : Json(nullptr);
  out["accumulation"] = divides ? Json(c.at.accumulation) : Json(nullptr);
  out["global_batch"] = c.global_batch;
  out["strategy"] = c.at.strategy;
  out["precision"] = c.at.precision;
  out["step_time_s"] = known(c.prediction.step_time.value());
  out["step_time_low_s"] = known(c.prediction.low.value());
  out["step_time_high_s"] = known(c.prediction.high.value());
  out["exposed_communication_low_s"] = known(c.prediction.exposed_low().value());
  out["exposed_communication_high_s"] = known(c.prediction.exposed_high().value());
  out["unexpected"] = unexpected_json(c.prediction.unexpected);
  out["throughput_samples_per_s"] = known(c.throughput);
  out["speedup"] = known(c.speedup);
  out["efficiency"] = known(c.efficiency);
  out["baseline_gpus"] = c.predicted ? Json(c.baseline_gpus) : Json(nullptr);
  out["time_s"] = or_null(c.time_s);
  out["gpu_hours"] = or_null(c.gpu_hours);
  out["cost"] = or_null(c.cost);
  out["peak_memory_bytes"] = or_null(c.peak_memory_bytes);
  out["breakdown"] = c.predicted ? breakdown_json(c.prediction.parts) : Json(nullptr);
  out["doublings_beyond"] = known(c.prediction.doublings_beyond);
  out["launch"] = c.launch.empty() ? Json(nullptr) : Json(c.launch);
  return out;
}

Json recommendation_json(const Forecast& f) {
  if (!f.recommendation) return nullptr;
  const Recommendation& r = *f.recommendation;
  Json out = candidate_json(*f.recommended());
  out["reason"] = r.reason;
  out["dominant"] = r.dominant;
  out["meets_objective"] = r.meets_objective;
  out["knee_gpus"] = f.knee_gpus ? Json(*f.knee_gpus) : Json(nullptr);
  out["ties"] = Json::array();
  for (const size_t i : r.ties) {
    const Candidate& c = f.candidates[i];
    out["ties"].push_back({{"gpus", c.at.world_size()}, {"global_batch", c.global_batch}});
  }
  return out;
}

Json reach_json(const Forecast& f) {
  const Candidate* best = f.recommended();
  return {{"measured_max_gpus", f.subject.reach.measured_max_gpus},
          {"measured_max_nodes", f.subject.reach.measured_max_nodes},
          {"doublings_beyond", best ? Json(best->prediction.doublings_beyond) : Json(nullptr)}};
}

/// Shortest text that reads back as the same number.
std::string number(double value) {
  char out[64];
  return {out, std::to_chars(out, out + sizeof out, value).ptr};
}

std::string number(const std::optional<double>& value) { return value ? number(*value) : ""; }

std::string csv_row(const Candidate& c, bool recommended) {
  const Placement& p = c.at.placement;
  const bool divides = c.at.local_batch > 0;
  const auto known = [&](double value) { return c.predicted ? number(value) : std::string(); };
  const StepTime<>& parts = c.prediction.parts;
  std::string out;
  const std::vector<std::string> fields = {std::to_string(p.world_size()),
                                           std::to_string(p.nodes()),
                                           std::to_string(p.max_ranks_per_node()),
                                           divides ? std::to_string(c.at.local_batch) : "",
                                           divides ? std::to_string(c.at.accumulation) : "",
                                           std::to_string(c.global_batch),
                                           csv_field(c.at.strategy),
                                           known(c.prediction.step_time.value()),
                                           known(c.prediction.low.value()),
                                           known(c.prediction.high.value()),
                                           known(c.throughput),
                                           known(c.speedup),
                                           known(c.efficiency),
                                           number(c.time_s),
                                           number(c.gpu_hours),
                                           number(c.cost),
                                           number(c.peak_memory_bytes),
                                           known(parts.compute.value()),
                                           known(parts.exposed_communication.value()),
                                           known(parts.waiting.value()),
                                           known(parts.loader.value()),
                                           known(parts.optimizer.value())};
  for (const std::string& field : fields) out += field + ",";
  const char* status = c.predicted ? "ok" : c.feasible ? "refused" : "infeasible";
  return out + status + "," + (recommended ? "1," : "0,") + csv_field(c.reason) + "\n";
}

}  // namespace

Json to_json(const Forecast& f) {
  Json out = {{"format", "forerun-forecast"}, {"version", kForecastVersion}};
  out["model"] = f.question.model;
  out["global_batch"] = f.question.batch;
  out["objective"] = f.question.objective.text();
  out["device"] = f.subject.device;
  out["label"] = f.subject.label;
  out["recommendation"] = recommendation_json(f);
  out["candidates"] = Json::array();
  for (size_t i = 0; i < f.candidates.size(); ++i) {
    Json c = candidate_json(f.candidates[i]);
    c["feasible"] = f.candidates[i].feasible;
    c["reason"] = f.candidates[i].reason;
    out["candidates"].push_back(std::move(c));
  }
  out["refused"] = Json::array();
  for (const Refused& r : f.refused) {
    Json refused = placement_json(r.at);
    refused["local_batch"] = r.at.local_batch;
    refused["accumulation"] = r.at.accumulation;
    refused["global_batch"] = r.at.global_batch();
    refused["reason"] = r.reason;
    out["refused"].push_back(std::move(refused));
  }
  out["reach"] = reach_json(f);
  out["next_measurements"] = Json::array();
  for (const NextMeasurement& n : f.next_measurements) {
    out["next_measurements"].push_back({{"command", n.command}, {"settles", n.settles}});
  }
  out["notes"] = f.notes;
  return out;
}

std::string to_csv(const Forecast& f) {
  std::string out =
      "gpus,nodes,gpus_per_node,local_batch,accumulation,global_batch,strategy,step_time_s,"
      "step_time_low_s,step_time_high_s,throughput_samples_per_s,speedup,efficiency,time_s,"
      "gpu_hours,cost,peak_memory_bytes,compute_s,exposed_communication_s,waiting_s,loader_s,"
      "optimizer_s,status,recommended,reason\n";
  for (size_t i = 0; i < f.candidates.size(); ++i) {
    out += csv_row(f.candidates[i], f.recommendation && f.recommendation->candidate == i);
  }
  for (const Refused& r : f.refused) {
    Candidate c;
    c.at = r.at;
    c.global_batch = r.at.global_batch();
    c.feasible = true;
    c.reason = r.reason;
    out += csv_row(c, false);
  }
  return out;
}

}  // namespace forerun
