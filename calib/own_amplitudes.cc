#include "calib/own_amplitudes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <ranges>

#include "calib/left_out.h"
#include "model/statistics.h"

namespace forerun {
namespace {

/// The workload's rows by scale of several ranks.
std::vector<RowGroup> scales_of_several(const WorkloadEvidence& workload) {
  std::map<Scale, RowGroup> scales;
  for (size_t i = 0; i < workload.points.size(); ++i) {
    const Configuration& at = workload.points[i].at;
    if (at.world_size() > 1) scales[scale_of(at)].push_back(static_cast<Eigen::Index>(i));
  }
  std::vector<RowGroup> groups;
  for (const auto& [scale, rows] : scales) groups.push_back(rows);
  return groups;
}

/// By how much rows are missed where their scale is left out, over what is claimed: the 90th
/// percentile over a normal's.
double missed_at_left_out(const std::vector<RowGroup>& scales, const SolvedSeries& solved,
                          const NetworkVector& deviation) {
  const LeftOut left_out = leave_out(solved, deviation, scales);
  std::vector<double> misses;
  for (const RowGroup& scale : scales) {
    for (const Eigen::Index row : scale) misses.push_back(std::fabs(left_out.miss[row]));
  }
  return quantile(misses, 0.9) / kNormal90;
}

}  // namespace

OwnAmplitudes own_amplitudes(const Evidence& evidence, const std::vector<SolvedSeries>& solved,
                             const NetworkVector& deviation, const std::vector<double>& present) {
  constexpr size_t kFewest = 2;    // scales, to leave one out
  constexpr double kBelieved = 4;  // few scales say little: as if so many more were as claimed
  OwnAmplitudes out{.more = std::vector<double>(present.size(), 1)};
  std::map<size_t, double> found;
  for (size_t w = 0; w < evidence.workloads.size(); ++w) {
    const std::vector<RowGroup> scales = scales_of_several(evidence.workloads[w]);
    if (scales.size() < kFewest) continue;
    const double needed = present[w] * missed_at_left_out(scales, solved[w], deviation);
    const auto n = static_cast<double>(scales.size());
    found[w] = std::max(1.0, (n * needed + kBelieved) / (n + kBelieved));
  }
  if (found.size() < 2) return out;
  out.of_all = std::ranges::min(found | std::views::values);
  for (const auto& [w, amplitude] : found) out.more[w] = amplitude / out.of_all;
  return out;
}

}  // namespace forerun
