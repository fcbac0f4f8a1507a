// What anyone would do without a model. Every calibration is compared with these, and falls back to
// one that beats it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "calib/evidence.h"

namespace forerun {

/// A positive quantity against the local batch, log-log linear between measured batches; below them
/// constant, above them growing with batch^growth: 1 for step times (the last one's time per
/// sample), 0 for ratios.
class BatchCurve {
 public:
  explicit BatchCurve(double growth) : growth_(growth) {}
  void add(double batch, double time_s) { points_.emplace_back(batch, time_s); }
  void finish();
  bool empty() const { return points_.empty(); }
  double at(double batch) const;

 private:
  double growth_;
  std::vector<std::pair<double, double>> points_;  // sorted by batch, each once
};

/// The three baselines of one workload.
class NaivePredictor {
 public:
  /// `points` must not be empty.
  explicit NaivePredictor(const std::vector<FitPoint>& points);

  /// The names: `ideal`, `carry_forward`, `linear`.
  static const std::vector<std::string>& names();
  /// Step time in seconds by the named baseline.
  double predict(const std::string& name, const Configuration& at) const;

 private:
  BatchCurve smallest_scale_{
      1};  // one rank, where it was measured: perfect scaling keeps its step time
  BatchCurve largest_ratio_{0};       // the largest measured scale relative to that
  double intercept_ = 1, slope_ = 0;  // T / smallest scale = intercept + slope n
};

}  // namespace forerun
