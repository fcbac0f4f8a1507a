// The door to calib: everything else in this folder sees step times through Subject::predict.
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

[[noreturn]] void refuse_unknown(const Calibration& calibration, const std::string& model) {
  std::vector<std::string> known;
  for (const WorkloadCalibration& w : calibration.workloads) known.push_back(w.name);
  const std::vector<std::string> near = near_names(model, known);
  const std::string hint = !near.empty() ? " (did you mean " + joined(near) + "?)"
                           : known.size() > 12
                               ? " (" + std::to_string(known.size()) + " others were)"
                           : known.empty() ? ""
                                           : " (measured: " + joined(known) + ")";
  throw Refusal(model + " was never measured" + hint + "; measure it first: measure --model " +
                model);
}

}  // namespace

Subject subject_of(const Predictor& predictor, const std::string& model) {
  const Calibration& calibration = predictor.calibration();
  const WorkloadCalibration* workload = calibration.find(model);
  if (workload == nullptr) refuse_unknown(calibration, model);
  Subject subject;
  subject.workload = *workload;
  subject.device = calibration.device;
  subject.label = calibration.label;
  subject.max_ranks = calibration.max_ranks;
  subject.threads_per_rank = calibration.threads_per_rank;
  subject.memory_per_rank_bytes = calibration.memory_per_rank_bytes;
  subject.reach = predictor.reach(model);
  subject.predict = [predictor, model](const std::vector<Configuration>& at) {
    return predictor.predict(model, at);
  };
  return subject;
}

}  // namespace forerun
