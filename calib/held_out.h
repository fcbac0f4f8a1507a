// How wrong predictions are on points that were not fitted.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calib/evidence.h"
#include "calib/predictor.h"
#include "model/io/calibration.h"

namespace forerun {

/// One held-out point: what was seen and what was said.
struct Comparison {
  Configuration at;
  double observed_s = 0;
  double predicted_s = 0;
  double low_s = 0, high_s = 0;  ///< 0, 0: no interval was given
};

/// Errors over comparisons; all zero for none. Regret is computed apart.
HeldOut summarize(const std::vector<Comparison>& comparisons);

/// Mean over GPU budgets 2, 4, 8, ... of the throughput lost by running the configuration that
/// looks best by prediction instead of the one that was observed to be best, each with at most that
/// many GPUs.
double regret(const std::vector<Comparison>& comparisons);

/// A way to divide observations, in words and as roles.
struct Split {
  std::string description;
  std::vector<Observation> fit;
  std::vector<Observation> test;
};

/// The rows' own roles where any says `test`; otherwise split_inside().
Split split_by_role(const std::vector<Observation>& rows);
/// What a calibration can check by itself, each cluster apart: leaves out the largest scale, if two
/// smaller ones remain that tell of the same levels of the network; otherwise every third batch of
/// it. `test` is empty if too little would be left to fit.
Split split_inside(const std::vector<Observation>& rows);

/// Predictions and baselines on a workload's held-out points. Points that the predictor refuses are
/// left out. Regret is that of choosing among all that was observed, fitted or held out.
struct WorkloadCheck {
  HeldOut model;
  std::map<std::string, HeldOut> naive;
  HeldOut formulas;           ///< without what was learnt from their residuals
  std::string first_refusal;  ///< why, where model.refused > 0
};

WorkloadCheck check_workload(const Predictor& predictor, const std::string& name,
                             const std::vector<FitPoint>& fitted,
                             const std::vector<FitPoint>& held_out);

/// Points of each workload of a calibration, by its name there; without those of clusters that it
/// does not know.
std::map<std::string, std::vector<FitPoint>> points_by_workload(
    const std::vector<Observation>& rows, const Calibration& calibration);

/// All workloads of a calibration that have rows to be tested on, by their names there.
std::map<std::string, WorkloadCheck> check_workloads(const Calibration& fitted, const Split& split);

}  // namespace forerun
