// The door to calib: everything else in this folder sees step times through Subject::predict.
#include "calib/evidence.h"
#include "calib/predictor.h"
#include "model/error.h"
#include "model/io/command_line.h"
#include "predict/forecast.h"

namespace forerun {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

/// Where no precision is asked for and it was not measured in float32: in another one. Null if it
/// was never measured.
const WorkloadCalibration* find_workload(const Calibration& calibration, const Question& question) {
  Configuration asked = question.asked();
  const WorkloadCalibration* named = calibration.find(workload_name(question.model, asked));
  if (named != nullptr || !question.precision.empty()) return named;
  for (const WorkloadCalibration& w : calibration.workloads) {
    if (w.points.empty()) continue;
    asked.precision = w.points.front().at.precision;
    if (w.name == workload_name(question.model, asked)) return &w;
  }
  return nullptr;
}

[[noreturn]] void refuse_unknown(const Calibration& calibration, const Question& question) {
  const Configuration asked = question.asked();
  std::vector<std::string> known;
  for (const WorkloadCalibration& w : calibration.workloads) known.push_back(w.name);
  const std::vector<std::string> near = near_names(workload_name(question.model, asked), known);
  const std::string hint = !near.empty() ? " (did you mean " + joined(near) + "?)"
                           : known.size() > 12
                               ? " (" + std::to_string(known.size()) + " others were)"
                           : known.empty() ? ""
                                           : " (measured: " + joined(known) + ")";
  const std::string options = measure_options(asked);
  throw Refusal(question.model + " was never measured" +
                (options.empty() ? "" : " with" + options) + hint +
                "; measure it first: measure --model " + question.model + options);
}

}  // namespace

Question settled(Question question, const Calibration& calibration) {
  const WorkloadCalibration* workload = find_workload(calibration, question);
  if (workload == nullptr) refuse_unknown(calibration, question);
  if (workload->points.empty()) return question;
  const Configuration& measured = workload->points.front().at;
  question.model = model_of(workload->name, measured);
  question.precision = measured.precision;
  if (question.strategy != "serial") question.strategy = measured.strategy;  // ddp on one rank
  return question;
}

Subject subject_of(const Predictor& predictor, const Question& question) {
  const Calibration& calibration = predictor.calibration();
  const WorkloadCalibration* workload = find_workload(calibration, question);
  if (workload == nullptr) refuse_unknown(calibration, question);
  Subject subject;
  subject.workload = *workload;
  subject.device = calibration.device;
  subject.label = calibration.label;
  subject.max_ranks = calibration.max_ranks;
  subject.threads_per_rank = calibration.threads_per_rank;
  subject.memory_per_rank_bytes = calibration.memory_per_rank_bytes;
  subject.reach = predictor.reach(workload->name);
  subject.predict = [predictor, model = question.model](const std::vector<Configuration>& at) {
    return predictor.predict(model, at);
  };
  return subject;
}

}  // namespace forerun
