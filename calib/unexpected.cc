#include "calib/unexpected.h"

#include <cmath>
#include <set>

#include "calib/log_interval.h"
#include "calib/predictor.h"

namespace forerun {
namespace {

/// Points of several ranks that are not among the fitted ones.
std::vector<FitPoint> not_fitted(const std::vector<FitPoint>& measured,
                                 const WorkloadCalibration& workload) {
  std::set<Configuration> fitted;
  for (const FittedPoint& p : workload.points) fitted.insert(p.at);
  std::vector<FitPoint> out;
  for (const FitPoint& p : measured) {
    if (p.at.world_size() > 1 && !fitted.contains(p.at)) out.push_back(p);
  }
  return out;
}

bool is_unexpected(const Prediction& p, double measured_s) {
  if (!p.refused.empty()) return false;
  const LogInterval expected{std::log(p.step_time.value()), std::log(p.low.value()),
                             std::log(p.high.value())};
  return over_unexpected(expected, std::log(measured_s)).has_value();
}

}  // namespace

void keep_unexpected(const std::map<std::string, std::vector<FitPoint>>& measured,
                     Calibration& calibration) {
  const Predictor predictor(calibration);
  for (WorkloadCalibration& w : calibration.workloads) {
    const auto found = measured.find(w.name);
    if (found == measured.end()) continue;
    const std::vector<FitPoint> points = not_fitted(found->second, w);
    if (points.empty()) continue;
    std::vector<Configuration> at;
    for (const FitPoint& p : points) at.push_back(p.at);
    const auto predictions = predictor.predict(model_of(w.name, at.front()), at);
    for (size_t i = 0; i < points.size(); ++i) {
      if (is_unexpected(predictions[i], points[i].step_time_s)) {
        w.unexpected.push_back({at[i], points[i].step_time_s});
      }
    }
  }
}

}  // namespace forerun
