// What a user needs in order to judge a calibration and to improve it.
#pragma once

#include <string>
#include <vector>

#include "model/io/calibration.h"
#include "model/io/json_reader.h"
#include "model/io/observations.h"

namespace forerun {

/// Errors of one group of rows: ln(predicted / observed) and whether the 90 % interval held.
struct ErrorSummary {
  int rows = 0;
  double bias = 0;           ///< mean of ln(predicted / observed)
  double median = 0;         ///< of |predicted / observed - 1|
  double coverage_90 = 0;    ///< share of rows inside their interval
  double low = 0, high = 0;  ///< 10th and 90th percentile of predicted / observed - 1
};

/// Rows of one workload that share something.
struct ErrorGroup {
  std::string name;       ///< `8 GPUs`, `batch 16-32`, `2 x 4`
  double place = 0;       ///< where it stands among its like: world size, third, order
  ErrorSummary left_out;  ///< fitted rows, each predicted from all others
  ErrorSummary held_out;  ///< rows with role test
};

/// A fitted row that counts for less than half of what its neighbours count.
struct OutlierRow {
  Configuration at;
  double observed_s = 0;
  double expected_s = 0;  ///< from all other rows
};

struct WorkloadExplanation {
  std::string name;
  std::string method;  ///< as WorkloadCalibration::method
  ErrorGroup all;
  std::vector<ErrorGroup> by_scale, by_batch, by_placement;
  std::vector<OutlierRow> outliers;  ///< farthest off first
};

/// A parameter, what the data left open, and what would close it.
struct ParameterExplanation {
  Parameter parameter;
  bool in_play = true;  ///< false: fixed by convention, because nothing can tell
  std::string remedy;   ///< empty where it is determined
};

/// One measurement, and what it is expected to be worth after those before it in the list.
struct MeasurementValue {
  std::string workload;
  Configuration at;
  double gpu_seconds = 0;       ///< what it takes
  double variance_removed = 0;  ///< share of the mean predictive variance of the targets
  double half_width_90 = 0;     ///< mean over the targets afterwards, relative
  std::string command;
};

/// A workload's half-width at one world size: now, and after the whole plan.
struct Uncertainty {
  std::string workload;
  int world_size = 1;
  double now = 0, after = 0;
};

struct MeasurementPlan {
  std::string targets;  ///< what the mean is over, in words
  double half_width_90 = 0;
  std::vector<MeasurementValue> steps;  ///< in the order in which to take them
  std::vector<Uncertainty> uncertainty;
};

struct Explanation {
  std::vector<ParameterExplanation> parameters;
  std::vector<WorkloadExplanation> workloads;
  std::vector<MeasurementPlan> plans;  ///< one a cluster, in the order of Calibration::networks
  bool held_out = false;               ///< some rows had role test
};

/// `rows`: all that `calibration` was made from, those with role test included.
Explanation explain(const Calibration& calibration, const std::vector<Observation>& rows);

/// For people, at most 100 columns.
std::string explanation_text(const Calibration& calibration, const Explanation& explanation);
/// The keys under `explain` of calibrate --explain --json.
Json explanation_json(const Calibration& calibration, const Explanation& explanation);

}  // namespace forerun
