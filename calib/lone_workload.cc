#include "calib/lone_workload.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "calib/conditioned_workload.h"
#include "calib/interval_scale.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr size_t kEnoughRows = 8;        // on several ranks, to say anything
constexpr size_t kBelievedOfOthers = 1;  // they shaped the network, so they are hit too well

bool alone(const FittedPoint& point) { return point.at.world_size() == 1; }

/// What predictions from the workload's one-rank rows alone miss its others by: the 90th percentile
/// in standard deviations, over the 1.64 that it should be. Nullopt where there are too few rows.
std::optional<double> miss_from_one_rank(const Calibration& calibration,
                                         const WorkloadCalibration& workload, size_t hypothesis) {
  WorkloadCalibration lone = workload;
  std::vector<FittedPoint> several;
  lone.points.clear();
  for (const FittedPoint& p : workload.points) (alone(p) ? lone.points : several).push_back(p);
  if (workload.grad_bytes <= 0 || lone.points.empty() || several.size() < kEnoughRows) {
    return std::nullopt;
  }
  // One rank shows neither how communication overlaps nor what is sent.
  ParameterBlock own = workload.hypotheses[hypothesis];
  for (const int unseen : {kOverlap, kWireBytes}) own.estimate[unseen] = own.prior_mean[unseen];
  const NetworkCalibration& network = calibration.networks[workload.network];
  const ConditionedWorkload predictor(condition(lone, own, network.hypotheses[hypothesis]),
                                      measured_world(calibration, workload.network));
  std::vector<Configuration> at;
  for (const FittedPoint& p : several) at.push_back(p.at);
  std::vector<LogNormal> predicted;
  predictor.predict(at, predicted, nullptr);
  std::vector<double> misses;
  for (size_t i = 0; i < several.size(); ++i) {
    misses.push_back(std::fabs(std::log(several[i].step_time_s) - predicted[i].mean) /
                     std::sqrt(predicted[i].variance));
  }
  return quantile(misses, 0.9) / kNormal90;
}

}  // namespace

double lone_interval_scale(const Calibration& calibration, int network, size_t hypothesis) {
  std::vector<double> misses, amplitudes;
  for (const WorkloadCalibration& other : calibration.workloads) {
    if (other.network != network || other.max_gpus == 1) continue;
    amplitudes.push_back(other.amplitude);
    if (const auto miss = miss_from_one_rank(calibration, other, hypothesis)) {
      misses.push_back(*miss);
    }
  }
  return std::max(1.0, interval_scale(misses, kBelievedOfOthers)) *
         std::max(1.0, interval_scale(amplitudes, kBelievedOfOthers));
}

}  // namespace forerun
