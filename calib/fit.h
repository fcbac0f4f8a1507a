// One cluster fitted under one hypothesis: formulas, then residual process and parameters in turn,
// a few rounds.
#pragma once

#include "calib/posterior.h"
#include "calib/process_fit.h"

namespace forerun {

struct ClusterFit {
  Priors priors;
  Parameters parameters;  ///< posterior mean, around which everything is linearized
  ResidualProcess process;
  NetworkPosterior network;
  std::vector<WorkloadPosterior> workloads;  ///< in the order of the evidence
  std::vector<Eigen::VectorXd>
      row_noise;  ///< [rows] a workload: variance known beforehand, outliers raised
  std::vector<double> amplitudes;  ///< of each workload's process, times the cluster's: >= 1
  bool converged = false;
};

/// `general`: the fit under a hypothesis that contains this one, if there is one. What a workload
/// misses by is told from it: it must not pass for what only this hypothesis misses. Throws Error
/// if the evidence is empty or the formulas cannot be evaluated on it.
ClusterFit fit_cluster(const Evidence& evidence, TwoNodeHypothesis hypothesis,
                       const Ingredients& ingredients, const ClusterFit* general = nullptr);

/// A workload's rows linearized around the parameters. `row_noise` [rows].
Series make_series(const WorkloadEvidence& workload, const Parameters& parameters, size_t index,
                   const Priors& priors, const Eigen::VectorXd& row_noise, double amplitude);

}  // namespace forerun
