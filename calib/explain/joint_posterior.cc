#include "calib/explain/joint_posterior.h"

#include <cmath>

namespace forerun {

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
