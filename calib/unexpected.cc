#include "calib/unexpected.h"

#include <algorithm>
#include <cmath>

#include "calib/predictor.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr double kUnexpected = 3;  // standard deviations

/// Half of the 90 % interval of another mean measured there.
double half_around(const LogInterval& expected, double variance) {
  const double half = 0.5 * (expected.high - expected.low);
  return std::sqrt(half * half + kNormal90 * kNormal90 * variance);
}

bool is_unexpected(const Prediction& p, const FitPoint& measured) {
  if (!p.refused.empty()) return false;
  const LogInterval expected{std::log(p.step_time.value()), std::log(p.low.value()),
                             std::log(p.high.value())};
  const double sd = half_around(expected, measured.relative_variance) / kNormal90;
  return std::fabs(std::log(measured.step_time_s) - expected.point) > kUnexpected * sd;
}

}  // namespace

void find_unexpected(const std::map<std::string, std::vector<FitPoint>>& measured,
                     Calibration& calibration) {
  const Predictor predictor(calibration);
  for (WorkloadCalibration& w : calibration.workloads) {
    const auto found = measured.find(w.name);
    if (found == measured.end()) continue;
    std::vector<FitPoint> points = found->second;
    std::erase_if(points, [](const FitPoint& p) { return p.at.world_size() == 1; });
    if (points.empty()) continue;
    std::vector<Configuration> at;
    for (const FitPoint& p : points) at.push_back(p.at);
    const auto predictions = predictor.predict(model_of(w.name, at.front()), at);
    for (size_t i = 0; i < points.size(); ++i) {
      const FitPoint& p = points[i];
      if (!is_unexpected(predictions[i], p)) continue;
      w.unexpected.push_back({p.at, p.step_time_s, p.relative_variance, p.runs});
    }
  }
}

LogInterval over_unexpected(const LogInterval& expected, const UnexpectedPoint& measured) {
  const double time = std::log(measured.step_time_s);
  const double half = half_around(expected, measured.variance);
  if (measured.runs >= kBelievedRuns) return {time, time - half, time + half};
  return {std::max(time, expected.point), std::min(time - half, expected.low),
          std::max(time + half, expected.high)};
}

}  // namespace forerun
