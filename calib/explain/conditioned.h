// One workload of a calibration, conditioned again on the rows it was fitted to: what it takes to
// ask how two configurations vary together.
#pragma once

#include <vector>

#include "calib/posterior.h"
#include "model/io/calibration.h"

namespace forerun {

/// A workload under one hypothesis, linearized around its parameters.
struct ConditionedSeries {
  WorkloadTraits traits;
  ResidualProcess process;
  NetworkVector network = NetworkVector::Zero();
  WorkloadVector parameters = WorkloadVector::Zero();
  NetworkMatrix network_covariance = NetworkMatrix::Zero();  ///< given all rows of the cluster
  Series series;
  SolvedSeries solved;
  Eigen::VectorXd weights;  ///< [n] C^-1 (y - prior mean), C with the network marginalized
};

/// `hypothesis` counts the hypotheses of the workload's network.
ConditionedSeries condition(const Calibration& calibration, const WorkloadCalibration& workload,
                            size_t hypothesis);

/// Of a new point with every row, process and workload parameters together. [n]
Eigen::VectorXd cross_covariance(const ConditionedSeries& given, const ProcessPoint& at,
                                 const WorkloadVector& by_workload);

/// Posterior over a list of configurations of one workload, apart from the network: joint
/// covariance = own + by_network network_covariance by_network'. Two workloads vary together
/// through the second term alone.
struct JointPosterior {
  Eigen::MatrixXd own;         ///< [m x m] of ln(step time)
  Eigen::MatrixXd by_network;  ///< [m x network parameters], less what the workload's rows explain
  Eigen::VectorXd noise;       ///< [m] of one mean of 16 steps there
  std::vector<double> formula_s;  ///< [m] step times by the formulas
};

JointPosterior joint_posterior(const ConditionedSeries& given,
                               const std::vector<Configuration>& at);

}  // namespace forerun
