#include "calib/explain/conditioned.h"

#include <cmath>

#include "calib/conditioned_workload.h"

namespace forerun {

ConditionedSeries condition(const Calibration& calibration, const WorkloadCalibration& workload,
                            size_t hypothesis) {
  const Hypothesis& shared = calibration.networks[workload.network].hypotheses[hypothesis];
  const ParameterBlock& own = workload.hypotheses[hypothesis];
  ConditionedSeries out;
  out.traits = traits_of(workload);
  out.process = shared.process;
  out.network = Eigen::Map<const NetworkVector>(shared.network.estimate.data());
  out.parameters = Eigen::Map<const WorkloadVector>(own.estimate.data());
  out.network_covariance = Eigen::Map<const NetworkMatrix>(shared.network_covariance.data());
  out.series = series_of(workload, own, shared.network);
  out.solved = solve_series(out.series, out.process);
  const NetworkVector deviation =
      out.network - Eigen::Map<const NetworkVector>(shared.network.prior_mean.data());
  out.weights = out.solved.solved_excess - out.solved.solved_network * deviation;
  return out;
}

Eigen::VectorXd cross_covariance(const ConditionedSeries& given, const ProcessPoint& at,
                                 const WorkloadVector& by_workload) {
  const WorkloadVector variance = given.series.workload_prior_sd.array().square();
  Eigen::VectorXd k = given.series.by_workload * variance.cwiseProduct(by_workload);
  for (Eigen::Index i = 0; i < k.size(); ++i)
    k[i] += covariance(given.process, given.series.at[i], at);
  return k;
}

JointPosterior joint_posterior(const ConditionedSeries& given,
                               const std::vector<Configuration>& at) {
  const auto m = static_cast<Eigen::Index>(at.size());
  const auto n = static_cast<Eigen::Index>(given.series.at.size());
  JointPosterior out;
  out.own.resize(m, m);
  out.by_network.resize(m, kNetworkParameters);
  out.noise.resize(m);
  std::vector<ProcessPoint> points;
  Eigen::MatrixXd by_workload(m, kWorkloadParameters);
  Eigen::MatrixXd cross(n, m);
  for (Eigen::Index i = 0; i < m; ++i) {
    const Linearization formula =
        linearize_step(given.network, given.parameters, given.traits, at[i]);
    points.push_back({coordinates_of(at[i]), formula.communication_share()});
    by_workload.row(i) = formula.by_workload;
    out.by_network.row(i) = formula.by_network;
    cross.col(i) = cross_covariance(given, points[i], formula.by_workload);
    out.noise[i] = noise_variance(given.process, points[i]) + given.traits.repeat_variance;
    out.formula_s.push_back(std::exp(formula.log_time));
  }
  const Eigen::MatrixXd scaled = by_workload * given.series.workload_prior_sd.asDiagonal();
  out.own.noalias() = scaled * scaled.transpose();
  for (Eigen::Index j = 0; j < m; ++j) {
    for (Eigen::Index i = 0; i < m; ++i)
      out.own(i, j) += covariance(given.process, points[i], points[j]);
  }
  out.by_network -= cross.transpose() * given.solved.solved_network;
  given.solved.cholesky.matrixL().solveInPlace(cross);
  out.own -= cross.transpose() * cross;
  return out;
}

}  // namespace forerun
