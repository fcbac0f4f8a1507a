// Rows of one workload as the fit's points: each configuration once.
#pragma once

#include <cstddef>
#include <vector>

#include "model/io/observations.h"

namespace forerun {

using Rows = std::vector<const Observation*>;

/// One configuration's step time: the mean of everything that was seen of it.
struct FitPoint {
  Configuration at;
  double step_time_s = 0;
  /// Of that mean, where the spread was measured or rows differ; else 0: left to the fit.
  double relative_variance = 0;
  int runs = 1;  ///< that it is the mean of; 0: it was not run, add_own_shares()
};

/// The same ranks on the same nodes, spread evenly: what the formulas can tell apart.
Configuration canonical(Configuration at);

/// Rows that are equal but for their steps are one run in parts: the first of each.
Rows distinct_runs(const Rows& rows);

struct FitPoints {
  std::vector<FitPoint> points;  ///< sorted by configuration, each once
  double repeat_variance = 0;    ///< WorkloadTraits::repeat_variance
};

/// Means, in log, over rows of one configuration, without rows that are far off the middle of three
/// or more.
FitPoints fit_points(const Rows& rows);

/// A step on several ranks without its exposed communication is what one of them does by itself:
/// adds it as a point of one rank, at batches that one rank alone did not run. What ranks of its
/// node slow it by is left in: its noise allows for that.
void add_own_shares(const Rows& rows, std::vector<FitPoint>& points);

}  // namespace forerun
