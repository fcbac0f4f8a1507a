// A formula at one configuration: its value and how it moves with every parameter.
#pragma once

#include <Eigen/Dense>
#include <span>
#include <vector>

#include "calib/parameters.h"

namespace forerun {

using NetworkVector = Eigen::Matrix<double, kNetworkParameters, 1>;
using WorkloadVector = Eigen::Matrix<double, kWorkloadParameters, 1>;
using NetworkMatrix = Eigen::Matrix<double, kNetworkParameters, kNetworkParameters>;
using WorkloadMatrix = Eigen::Matrix<double, kWorkloadParameters, kWorkloadParameters>;

/// ln f and its gradient. All dimensionless.
struct Linearization {
  double log_time = 0;
  NetworkVector by_network = NetworkVector::Zero();
  WorkloadVector by_workload = WorkloadVector::Zero();

  /// d ln f / d ln t, the share of communication in [0, 1]: how much a slower network would slow
  /// the step.
  double communication_share() const { return by_network[kContention]; }
};

/// ln step_time() at the parameters, of each configuration.
std::vector<Linearization> linearize_steps(const NetworkVector& network,
                                           const WorkloadVector& workload,
                                           const WorkloadTraits& traits,
                                           std::span<const Configuration> at);
/// Of one.
Linearization linearize_step(const NetworkVector& network, const WorkloadVector& workload,
                             const WorkloadTraits& traits, const Configuration& at);

/// ln counted_time_on_the_wire() at the parameters.
Linearization linearize_wire(const NetworkVector& network, const WorkloadVector& workload,
                             const WorkloadTraits& traits, Bytes<> grad_bytes,
                             const Configuration& at);

/// ln collective_time() at the parameters; by_workload is 0.
Linearization linearize_sweep(const NetworkVector& network, Collective collective,
                              const Placement& placement, Bytes<> size);

}  // namespace forerun
