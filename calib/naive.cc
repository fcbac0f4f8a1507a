#include "calib/naive.h"

#include <algorithm>
#include <cmath>

#include "model/error.h"

namespace forerun {

void BatchCurve::finish() {
  std::sort(points_.begin(), points_.end());
  std::vector<std::pair<double, double>> merged;
  for (size_t i = 0; i < points_.size();) {
    double log_sum = 0;
    size_t j = i;
    for (; j < points_.size() && points_[j].first == points_[i].first; ++j)
      log_sum += std::log(points_[j].second);
    merged.emplace_back(points_[i].first, std::exp(log_sum / static_cast<double>(j - i)));
    i = j;
  }
  points_ = std::move(merged);
}

double BatchCurve::at(double batch) const {
  const auto above = std::lower_bound(points_.begin(), points_.end(), std::pair(batch, 0.0));
  if (above == points_.end())
    return points_.back().second * std::pow(batch / points_.back().first, growth_);
  if (above == points_.begin()) return above->second;
  const auto& [b1, t1] = *above;
  const auto& [b0, t0] = *(above - 1);
  const double u = std::log(batch / b0) / std::log(b1 / b0);
  return std::exp((1 - u) * std::log(t0) + u * std::log(t1));
}

const std::vector<std::string>& NaivePredictor::names() {
  static const std::vector<std::string> kNames = {"ideal", "carry_forward", "linear"};
  return kNames;
}

NaivePredictor::NaivePredictor(const std::vector<FitPoint>& points) {
  const auto scale = [](const FitPoint& p) {
    return std::pair(p.at.world_size(), p.at.placement.nodes());
  };
  const auto by_scale = [&](const FitPoint& a, const FitPoint& b) { return scale(a) < scale(b); };
  const auto smallest = scale(*std::min_element(points.begin(), points.end(), by_scale));
  const auto largest = scale(*std::max_element(points.begin(), points.end(), by_scale));
  for (const FitPoint& p : points) {
    if (scale(p) == smallest)
      smallest_scale_.add(p.at.local_batch, p.step_time_s / p.at.accumulation);
  }
  smallest_scale_.finish();

  // Least squares of T / smallest(b) = intercept + slope n, relative to each row.
  double s00 = 0, s01 = 0, s11 = 0, r0 = 0, r1 = 0;
  for (const FitPoint& p : points) {
    const double n = p.at.world_size();
    const double ratio = p.step_time_s / (p.at.accumulation * smallest_scale_.at(p.at.local_batch));
    if (scale(p) == largest) largest_ratio_.add(p.at.local_batch, ratio);
    const double w = 1 / (ratio * ratio);
    s00 += w, s01 += w * n, s11 += w * n * n, r0 += w * ratio, r1 += w * ratio * n;
  }
  largest_ratio_.finish();
  const double determinant = s00 * s11 - s01 * s01;
  if (determinant > 1e-12 * s00 * s11) {
    intercept_ = (r0 * s11 - r1 * s01) / determinant;
    slope_ = (r1 * s00 - r0 * s01) / determinant;
  }
}

double NaivePredictor::predict(const std::string& name, const Configuration& at) const {
  const double ideal = at.accumulation * smallest_scale_.at(at.local_batch);
  if (name == "ideal") return ideal;
  if (name == "linear") return ideal * std::max(0.05, intercept_ + slope_ * at.world_size());
  if (name != "carry_forward") throw Error("no baseline is called " + name);
  return ideal * largest_ratio_.at(at.local_batch);
}

}  // namespace forerun
