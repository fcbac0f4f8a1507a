// Everything that a report shows, before it becomes plots, tables and a page: plain data, seconds
// and samples.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calib/predictor.h"
#include "model/configuration.h"
#include "model/io/profile.h"

namespace forerun {

/// One configuration that was run for real, beside what was predicted for it.
struct RunCheck {
  std::string model;
  Configuration at;
  int runs = 1;                                   ///< pooled into this row
  int steps = 0;                                  ///< in all of them
  double observed_s = 0;                          ///< median step time
  double observed_p10_s = 0, observed_p90_s = 0;  ///< spread of single steps
  bool measured_before = false;                   ///< was fitted, so agreeing with it proves little
  Prediction predicted;                           ///< may be refused
  std::map<std::string, double> naive_s;  ///< what the naive baselines say: see calib/naive.h

  /// predicted / observed - 1.
  double relative_error() const { return predicted.step_time.value() / observed_s - 1; }
  bool inside() const {
    return predicted.low.value() <= observed_s && observed_s <= predicted.high.value();
  }
  /// Does it count: a prediction of something that was not measured before?
  bool counts() const { return predicted.refused.empty() && !measured_before; }
};

/// A prediction at one world size of a scaling curve.
struct ScalingPoint {
  Configuration at;
  Prediction predicted;  ///< never refused
};

/// What was seen at one world size of a scaling curve.
struct ScalingObservation {
  int world_size = 1;
  double step_time_s = 0;
  bool check = false;  ///< a run that checks the prediction; else a measurement that was fitted
};

/// One batch over several world sizes: the same global one (strong scaling), or the same on every
/// rank (weak scaling).
struct BatchScaling {
  long batch = 1;
  std::vector<ScalingPoint> points;          ///< ascending world size
  std::vector<ScalingObservation> observed;  ///< ascending world size

  /// Step time at one rank: predicted, and observed (a check run before a measurement).
  std::optional<double> predicted_base_s() const;
  std::optional<ScalingObservation> observed_base() const;
  int checks() const;
};

/// The scaling curves of one workload.
struct WorkloadScaling {
  std::string model;                 ///< as it is calibrated: `resnet50`, `resnet50@bfloat16`
  std::vector<BatchScaling> strong;  ///< ascending global batch
  std::vector<BatchScaling> weak;    ///< ascending local batch
};

/// The world size to use for one global batch.
struct RecommendedSize {
  std::string model;
  long global_batch = 1;
  int world_size = 1;
};

/// Samples of an all-reduce at one size.
struct TransferSample {
  double size_bytes = 0;
  double median_s = 0, p10_s = 0, p90_s = 0;
};

/// All-reduce time against size on one placement: measured, and by the fitted network.
struct AllreduceCurve {
  Placement placement;
  std::vector<TransferSample> measured;  ///< ascending size
  std::vector<TransferSample> fitted;    ///< ascending size; only median_s is set
};

struct ReportData {
  Machine machine;
  std::string date;                   ///< of this report, UTC
  std::vector<std::string> commands;  ///< that made the data
  std::vector<std::string> notes;     ///< what was left out, and why
  std::string missing_runs_command;   ///< what would check it; set where nothing was checked
  Reach reach;                        ///< the furthest that any workload was measured
  std::vector<RunCheck> checks;       ///< by model, then world size and batch
  std::vector<WorkloadScaling> scaling;
  std::vector<RecommendedSize> recommended;
  std::vector<AllreduceCurve> allreduce;
};

}  // namespace forerun
