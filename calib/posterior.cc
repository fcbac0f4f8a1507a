#include "calib/posterior.h"

#include <cmath>
#include <numbers>

namespace forerun {

Series empty_series(size_t rows) {
  const auto n = static_cast<Eigen::Index>(rows);
  Series series;
  series.at.resize(rows);
  series.excess = Eigen::VectorXd::Zero(n);
  series.base_noise = Eigen::VectorXd::Zero(n);
  series.by_network = Eigen::MatrixXd::Zero(n, kNetworkParameters);
  series.by_workload = Eigen::MatrixXd::Zero(n, kWorkloadParameters);
  return series;
}

SolvedSeries solve_series(const Series& series, const ResidualProcess& of_cluster) {
  const ResidualProcess process = amplified(of_cluster, series.amplitude);
  const auto n = static_cast<Eigen::Index>(series.at.size());
  const Eigen::MatrixXd scaled = series.by_workload * series.workload_prior_sd.asDiagonal();
  Eigen::MatrixXd k(n, n);
  k.noalias() = scaled * scaled.transpose();
  for (Eigen::Index j = 0; j < n; ++j) {
    for (Eigen::Index i = j; i < n; ++i) k(i, j) += covariance(process, series.at[i], series.at[j]);
    k(j, j) += noise_variance(process, series.at[j]) + series.base_noise[j];
  }
  SolvedSeries solved;
  solved.cholesky.compute(k);  // reads the lower triangle only
  solved.solved_excess = solved.cholesky.solve(series.excess);
  solved.solved_network = solved.cholesky.solve(series.by_network);
  solved.log_determinant = 2 * solved.cholesky.matrixLLT().diagonal().array().log().sum();
  return solved;
}

std::vector<SolvedSeries> solve_all(const std::vector<Series>& series,
                                    const ResidualProcess& process) {
  std::vector<SolvedSeries> solved;
  solved.reserve(series.size());
  for (const Series& s : series) solved.push_back(solve_series(s, process));
  return solved;
}

NetworkPosterior network_posterior(const std::vector<SolvedSeries>& solved,
                                   const std::vector<Series>& series, const NetworkPrior& prior) {
  const Eigen::Map<const NetworkVector> sd(prior.sd.data());
  // In units of the prior's sd: well scaled whatever is fixed.
  NetworkMatrix precision = NetworkMatrix::Identity();
  NetworkVector pull = NetworkVector::Zero();
  double log_likelihood = 0;
  for (size_t s = 0; s < series.size(); ++s) {
    const Eigen::MatrixXd scaled = series[s].by_network * sd.asDiagonal();
    precision += scaled.transpose() * solved[s].solved_network * sd.asDiagonal();
    pull += scaled.transpose() * solved[s].solved_excess;
    log_likelihood -=
        0.5 * (series[s].excess.dot(solved[s].solved_excess) + solved[s].log_determinant +
               static_cast<double>(series[s].at.size()) * std::log(2 * std::numbers::pi));
  }
  const Eigen::LLT<NetworkMatrix> cholesky(0.5 * (precision + precision.transpose()));
  const NetworkVector mean = cholesky.solve(pull);
  NetworkPosterior posterior;
  posterior.deviation = sd.cwiseProduct(mean);
  posterior.covariance =
      sd.asDiagonal() * cholesky.solve(NetworkMatrix::Identity()) * sd.asDiagonal();
  posterior.log_evidence =
      log_likelihood + 0.5 * pull.dot(mean) - cholesky.matrixLLT().diagonal().array().log().sum();
  return posterior;
}

WorkloadPosterior workload_posterior(const SolvedSeries& solved, const Series& series,
                                     const NetworkPosterior& network) {
  const WorkloadVector variance = series.workload_prior_sd.array().square();
  const Eigen::VectorXd weights = solved.solved_excess - solved.solved_network * network.deviation;
  const Eigen::MatrixXd gain = variance.asDiagonal() * series.by_workload.transpose();  // P J'
  const Eigen::MatrixXd by_network = gain * solved.cholesky.solve(series.by_network);
  WorkloadPosterior posterior;
  posterior.deviation = gain * weights;
  posterior.covariance = WorkloadMatrix(variance.asDiagonal()) -
                         gain * solved.cholesky.solve(gain.transpose()) +
                         by_network * network.covariance * by_network.transpose();
  return posterior;
}

}  // namespace forerun
