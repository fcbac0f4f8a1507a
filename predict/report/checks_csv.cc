#include "predict/report/checks_csv.h"

#include <cstdio>

#include "model/io/observations.h"

namespace forerun {
namespace {

std::string number(double value) {
  char out[32];
  std::snprintf(out, sizeof out, "%.6g", value);
  return out;
}

std::string baseline(const RunCheck& c, const char* name) {
  const auto found = c.naive_s.find(name);
  return found == c.naive_s.end() ? "" : number(found->second);
}

std::string row(const RunCheck& c) {
  const Configuration& at = c.at;
  const bool ok = c.predicted.refused.empty();
  const std::vector<std::string> fields = {c.model,
                                           std::to_string(at.placement.nodes()),
                                           std::to_string(at.world_size()),
                                           at.placement.text(),
                                           std::to_string(at.local_batch),
                                           std::to_string(at.accumulation),
                                           std::to_string(at.global_batch()),
                                           at.strategy,
                                           at.precision,
                                           "test",
                                           std::to_string(c.runs),
                                           std::to_string(c.steps),
                                           number(c.observed_s),
                                           number(c.observed_p10_s),
                                           number(c.observed_p90_s),
                                           ok ? number(c.predicted.step_time.value()) : "",
                                           ok ? number(c.predicted.low.value()) : "",
                                           ok ? number(c.predicted.high.value()) : "",
                                           ok ? number(c.relative_error()) : "",
                                           ok ? (c.inside() ? "yes" : "no") : "",
                                           c.measured_before ? "yes" : "no",
                                           baseline(c, "ideal"),
                                           baseline(c, "carry_forward"),
                                           baseline(c, "linear"),
                                           ok ? "ok" : "refused",
                                           c.predicted.refused};
  std::string line;
  for (size_t i = 0; i < fields.size(); ++i) line += (i == 0 ? "" : ",") + csv_field(fields[i]);
  return line + "\n";
}

}  // namespace

std::string checks_csv(const std::vector<RunCheck>& checks) {
  std::string out =
      "model,nodes,gpus,placement,local_batch,accumulation,global_batch,strategy,precision,role,"
      "runs,steps,step_time_s,step_time_p10_s,step_time_p90_s,predicted_step_time_s,low_s,high_s,"
      "relative_error,inside_interval,measured_before,naive_ideal_s,naive_carry_forward_s,naive_"
      "linear_s,status,"
      "reason\n";
  for (const RunCheck& check : checks) out += row(check);
  return out;
}

}  // namespace forerun
