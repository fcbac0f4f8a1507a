// What the formulas miss, learnt from their residuals: a Gaussian process on ln(observed /
// formula), one draw per workload, with hyper-parameters that all workloads of a cluster share.
//
//   k = a0^2 (1-phi)(1-phi') M(db / l0)                     the compute curve's own shape; fades
//   where communication dominates
//     + s^2 M(|d(nodes, ranks per node)| / 3) M(db / lc)    everything that changes smoothly with
//     scale
//     + q^2 [same placement of several ranks] M(db / 4)     what one placement has to itself:
//     neighbours on its switch, the node it fell on
//   noise = no^2 + (nc phi)^2 + what was measured
//
// Rows of what a step's collectives took have 3 % of their own: w^2 M(|d(nodes, ranks per node)| /
// 3).
//
// Coordinates are in doublings, M is Matern 3/2, phi the share of communication. Source of the
// form: compared on three public clusters in calib/TRIED.md; plain kernels carried over to other
// clusters, sharper ones did not.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <vector>

#include "calib/evidence.h"
#include "model/io/calibration.h"

namespace forerun {

/// What a row observed.
enum class RowOf {
  kStep,
  kSweep,  ///< a collective alone: its own amplitude, no compute
  kWire,   ///< a step's collectives: what the network differs from its formula by, not fitted
};

/// Where a row stands, as far as the process cares.
struct ProcessPoint {
  Coordinates at;
  double communication_share = 0;
  RowOf of = RowOf::kStep;
};

inline constexpr int kHyperParameters = 8;

/// Where a member stands in the vector of logarithms.
int hyper_index(double ResidualProcess::*member);
/// Hyper-parameters as a vector of logarithms, with log-normal priors.
std::array<double, kHyperParameters> to_logs(const ResidualProcess& process);
ResidualProcess from_logs(const double* logs);
/// sum ((log - prior mean) / sd)^2 / 2; its derivatives are added to `gradient` unless that is
/// null.
double hyper_prior_cost(const double* logs, double* gradient);
/// The prior's median.
ResidualProcess default_process();
/// That of a workload that misses the formulas by `amplitude` times as much, noise and all.
ResidualProcess amplified(ResidualProcess process, double amplitude);

double covariance(const ResidualProcess& process, const ProcessPoint& a, const ProcessPoint& b);

/// Its factors, for step times: covariance = scale.smooth batch.smooth + scale.placement
/// batch.placement + batch.compute (1 - phi)(1 - phi'). Amplitudes are inside `scale` and
/// `compute`.
struct BatchFactors {
  double smooth = 0, placement = 0, compute = 0;
};
struct ScaleFactors {
  double smooth = 0, placement = 0;
};
BatchFactors batch_factors(const ResidualProcess& process, const Coordinates& a,
                           const Coordinates& b);
ScaleFactors scale_factors(const ResidualProcess& process, const Coordinates& a,
                           const Coordinates& b);

/// Variance of one mean step time beside what was measured of it.
double noise_variance(const ResidualProcess& process, const ProcessPoint& at);

/// The same with their derivatives by the logarithms of the hyper-parameters.
struct WithGradient {
  double value = 0;
  std::array<double, kHyperParameters> by_log{};
};
WithGradient covariance_gradient(const ResidualProcess& process, const ProcessPoint& a,
                                 const ProcessPoint& b);
WithGradient noise_variance_gradient(const ResidualProcess& process, const ProcessPoint& at);

}  // namespace forerun
