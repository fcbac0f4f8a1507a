// The formulas alone, fitted by Ceres: robust, relative, with priors. Where the residual process
// starts from.
#pragma once

#include <vector>

#include "calib/priors.h"

namespace forerun {

/// A value for every parameter of a cluster.
struct Parameters {
  NetworkVector network = NetworkVector::Zero();
  std::vector<WorkloadVector> workloads;
};

struct FormulaFit {
  Parameters parameters;
  double cost = 0;
  bool converged = false;
  std::string report;  ///< one line
};

/// Minimizes  sum_rows rho( w (ln f - ln T) ) + sum_parameters ((theta - mean) / sd)^2 / 2  from
/// several starts of the overlap; w makes each workload count as 30 rows of 15 % error, rho is
/// soft-L1. Of more than 500 workloads, 500 spread evenly shape the network; the others are fitted
/// in it one by one. Analytic gradients by ceres::Jet. Deterministic.
FormulaFit fit_formulas(const Evidence& evidence, const Priors& priors);

}  // namespace forerun
