// One workload of a calibration under one hypothesis, conditioned again on the rows it was fitted
// to: what a calibration file says, turned into linear algebra.
#pragma once

#include "calib/posterior.h"
#include "calib/row_covariance.h"
#include "model/io/calibration.h"

namespace forerun {

/// Linearized around the parameters, where the fit ended.
struct ConditionedSeries {
  WorkloadTraits traits;
  ResidualProcess process;  ///< the workload's: amplified
  NetworkVector network = NetworkVector::Zero();
  WorkloadVector parameters = WorkloadVector::Zero();
  WorkloadVector offset = WorkloadVector::Zero();            ///< prior mean - parameters
  NetworkMatrix network_covariance = NetworkMatrix::Zero();  ///< given all rows of the cluster
  Series series;
  RowCovariance rows{{}, {}};  ///< of the residual process alone
  SolvedSeries solved;
  Eigen::VectorXd weights;  ///< [n] C^-1 (y - prior mean), C with the network marginalized
};

/// What a calibration knows of a workload beside its parameters.
WorkloadTraits traits_of(const WorkloadCalibration& workload);

/// `own` of the workload's, `hypothesis` of its network's hypotheses.
ConditionedSeries condition(const WorkloadCalibration& workload, const ParameterBlock& own,
                            const Hypothesis& hypothesis);

/// `hypothesis` counts the hypotheses of the workload's network.
ConditionedSeries condition(const Calibration& calibration, const WorkloadCalibration& workload,
                            size_t hypothesis);

/// Of a new point with every row, process and workload parameters together. [n]
Eigen::VectorXd cross_covariance(const ConditionedSeries& given, const ProcessPoint& at,
                                 const WorkloadVector& by_workload);

}  // namespace forerun
