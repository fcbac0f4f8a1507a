// Parameters and residual process together: linear-Gaussian algebra around the current parameters
// (universal kriging).
//
// Around theta, a workload's log step times are
//
//   y = ln f(theta) + J_n (network - theta_n) + J_w (workload - theta_w) + h + noise
//
// with normal priors on both parameter blocks and h the residual process. The workload's own block
// is marginalized into its covariance, K = k + J_w P_w J_w' + noise, so that workloads meet only in
// the few network parameters. Cost: one Cholesky per workload.
//
// Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), section 2.7
// (explicit basis functions).
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "calib/formula_fit.h"
#include "calib/residual_process.h"

namespace forerun {

/// Rows of one workload, of the sweeps, or of what one workload's collectives took, linearized.
struct Series {
  std::vector<ProcessPoint> at;  // [n]
  Eigen::VectorXd excess;        // [n] y - ln f(theta) - J (prior mean - theta)
  Eigen::VectorXd base_noise;    // [n] variance known beforehand
  Eigen::MatrixXd by_network;    // [n x network parameters]
  Eigen::MatrixXd by_workload;   // [n x workload parameters]
  WorkloadVector workload_prior_sd = WorkloadVector::Zero();
  double amplitude = 1;  ///< times the cluster's: amplified()
};

/// `rows` rows of zeros.
Series empty_series(size_t rows);

/// K and what follows from it, for given hyper-parameters.
struct SolvedSeries {
  Eigen::LLT<Eigen::MatrixXd> cholesky;  // of K [n x n]
  Eigen::VectorXd solved_excess;         // K^-1 excess
  Eigen::MatrixXd solved_network;        // K^-1 J_n [n x network parameters]
  double log_determinant = 0;
};

/// `process`: the cluster's.
SolvedSeries solve_series(const Series& series, const ResidualProcess& process);

std::vector<SolvedSeries> solve_all(const std::vector<Series>& series,
                                    const ResidualProcess& process);

/// The network's parameters given all series.
struct NetworkPosterior {
  NetworkVector deviation = NetworkVector::Zero();  ///< mean - prior mean
  NetworkMatrix covariance = NetworkMatrix::Zero();
  double log_evidence = 0;
};

NetworkPosterior network_posterior(const std::vector<SolvedSeries>& solved,
                                   const std::vector<Series>& series, const NetworkPrior& prior);

/// A workload's parameters given all series.
struct WorkloadPosterior {
  WorkloadVector deviation = WorkloadVector::Zero();  ///< mean - prior mean
  WorkloadMatrix covariance = WorkloadMatrix::Zero();
};

WorkloadPosterior workload_posterior(const SolvedSeries& solved, const Series& series,
                                     const NetworkPosterior& network);

}  // namespace forerun
