#include "calib/compute_line.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace forerun {
namespace {

/// The fastest micro-step at each local batch: of one rank alone, where any was measured.
std::map<double, double> fastest_by_batch(const std::vector<FitPoint>& points) {
  std::map<double, double> fastest;
  const bool alone = std::any_of(points.begin(), points.end(),
                                 [](const FitPoint& p) { return p.at.world_size() == 1; });
  for (const FitPoint& p : points) {
    if (alone && p.at.world_size() != 1) continue;
    const double micro_step = p.step_time_s / p.at.accumulation;
    const auto [at, inserted] = fastest.emplace(p.at.local_batch, micro_step);
    if (!inserted) at->second = std::min(at->second, micro_step);
  }
  return fastest;
}

}  // namespace

ComputeLine compute_line(const std::vector<FitPoint>& points) {
  const std::map<double, double> fastest = fastest_by_batch(points);
  // Minimize sum ((c0 + c1 b) / T - 1)^2.
  double s00 = 0, s01 = 0, s11 = 0, r0 = 0, r1 = 0;
  for (const auto& [b, t] : fastest) {
    s00 += 1 / (t * t), s01 += b / (t * t), s11 += b * b / (t * t), r0 += 1 / t, r1 += b / t;
  }
  const double determinant = s00 * s11 - s01 * s01;
  ComputeLine line{.launch = 0, .per_sample = r1 / s11};
  if (determinant > 1e-9 * s00 * s11) {
    const double c0 = (r0 * s11 - r1 * s01) / determinant;
    const double c1 = (r1 * s00 - r0 * s01) / determinant;
    if (c0 >= 0 && c1 >= 0) line = {c0, c1};
    if (c1 < 0) line = {r0 / s00, 0};
  }
  // Logarithms need something positive where a part vanished: what would not be noticed.
  constexpr double kUnnoticed = 0.01;
  line.launch = std::max(line.launch, kUnnoticed * fastest.begin()->second);
  line.per_sample =
      std::max(line.per_sample, kUnnoticed * fastest.rbegin()->second / fastest.rbegin()->first);
  return line;
}

CurveShape shape_around(const ComputeLine& line, const std::vector<FitPoint>& points) {
  CurveShape shape;
  const bool alone = std::any_of(points.begin(), points.end(),
                                 [](const FitPoint& p) { return p.at.world_size() == 1; });
  const std::map<double, double> fastest = fastest_by_batch(points);
  if (!alone || fastest.size() < 3) return shape;
  for (const auto& [batch, time] : fastest) {
    shape.log_batch.push_back(std::log(batch));
    shape.log_factor.push_back(std::log(time / line.at(batch)));
  }
  return shape;
}

}  // namespace forerun
