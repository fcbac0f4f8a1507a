// One workload under one hypothesis, conditioned on its rows, that answers for any configuration.
#pragma once

#include <vector>

#include "calib/conditioned_series.h"

namespace forerun {

/// The logarithm of one step time, under one hypothesis.
struct LogNormal {
  double mean = 0;
  double variance = 0;
};

/// log2 of a world size beyond the largest measured one; 0 inside.
double doublings_beyond(const Configuration& at, int measured_max_gpus);

/// Up to where a network was measured, and by how much.
struct MeasuredWorld {
  int gpus = 1;
  int workloads = 1;  ///< that were measured on several ranks
};
MeasuredWorld measured_world(const Calibration& calibration, int network);

class ConditionedWorkload {
 public:
  /// `interval_scale`: of standard deviations on several ranks.
  ConditionedWorkload(ConditionedSeries given, MeasuredWorld measured, double interval_scale = 1);

  /// Fills means, variances (of the mean of about 16 steps) and, unless null, the formula's parts
  /// for `at` in order. Cost: one triangular solve with the rows for each.
  void predict(const std::vector<Configuration>& at, std::vector<LogNormal>& out,
               std::vector<StepTime<>>* parts) const;

 private:
  void predict_chunk(const Configuration* at, Eigen::Index count, LogNormal* out) const;

  ConditionedSeries given_;
  MeasuredWorld measured_;
  double interval_scale_ = 1;
};

}  // namespace forerun
