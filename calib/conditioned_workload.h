// One workload under one hypothesis, conditioned on its rows: what a calibration file says, turned
// into linear algebra that answers for any configuration.
#pragma once

#include <vector>

#include "calib/posterior.h"
#include "calib/row_covariance.h"
#include "model/io/calibration.h"

namespace forerun {

/// The logarithm of one step time, under one hypothesis.
struct LogNormal {
  double mean = 0;
  double variance = 0;
};

/// log2 of a world size beyond the largest measured one; 0 inside.
double doublings_beyond(const Configuration& at, int measured_max_gpus);

/// What a calibration knows of a workload beside its parameters.
WorkloadTraits traits_of(const WorkloadCalibration& workload);

/// The workload's fitted rows, linearized where the fit ended.
Series series_of(const WorkloadCalibration& workload, const ParameterBlock& own,
                 const ParameterBlock& network);

class ConditionedWorkload {
 public:
  /// `own` of the workload's, `hypothesis` of the network's hypotheses.
  ConditionedWorkload(const WorkloadCalibration& workload, const ParameterBlock& own,
                      const Hypothesis& hypothesis, int measured_max_gpus);

  /// Fills means, variances (of the mean of about 16 steps) and, unless null, the formula's parts
  /// for `at` in order. Cost: one triangular solve with the rows for each.
  void predict(const std::vector<Configuration>& at, std::vector<LogNormal>& out,
               std::vector<StepTime<>>* parts) const;

 private:
  ConditionedWorkload(const WorkloadCalibration& workload, const ParameterBlock& own,
                      const Hypothesis& hypothesis, int measured_max_gpus, const Series& series);
  void predict_chunk(const Configuration* at, Eigen::Index count, LogNormal* out) const;

  WorkloadTraits traits_;
  ResidualProcess process_;
  int measured_max_gpus_ = 1;
  NetworkVector network_;
  NetworkVector network_offset_;  // prior mean - estimate
  NetworkMatrix network_covariance_;
  WorkloadVector parameters_;
  WorkloadVector offset_;  // prior mean - estimate
  WorkloadVector prior_variance_;
  RowCovariance rows_;
  Eigen::MatrixXd prior_effect_;  // J_w P_w [rows x workload parameters]
  SolvedSeries solved_;
  Eigen::VectorXd weights_;  // K^-1 (excess - J_n deviation)
};

}  // namespace forerun
