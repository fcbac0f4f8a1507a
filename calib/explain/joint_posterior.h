// How the step times of several configurations of one workload vary together, given its rows.
#pragma once

#include <vector>

#include "calib/conditioned_series.h"

namespace forerun {

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
