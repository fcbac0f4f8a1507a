// The unknowns of a calibration: their order, their priors, and how they make a StepModel.
#pragma once

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "model/step_time.h"

namespace forerun {

/// Shared by all workloads of a cluster. Positive ones are fitted as logarithms.
enum NetworkParameter {
  kAlphaIntra,  ///< ln seconds
  kBetaIntra,   ///< ln seconds per byte
  kAlphaInter,  ///< ln seconds
  kBetaInter,   ///< ln seconds per byte
  kNicSharing,
  kCongestion,
  kTwoNodes,
  kSpread,      ///< ln of the relative spread between ranks
  kCrowding,    ///< compute among k ranks of a node: k^crowding
  kContention,  ///< ln of how much slower a collective is inside training than in a sweep
  kNetworkParameters
};

/// One workload's own.
enum WorkloadParameter {
  kLaunch,     ///< ln seconds
  kPerSample,  ///< ln seconds per sample
  kOverlap,    ///< ln(g - 1)
  kWireBytes,  ///< ln bytes all-reduced per step
  kWorkloadParameters
};

inline constexpr int kAllParameters = int{kNetworkParameters} + int{kWorkloadParameters};

/// How a parameter is called, in which unit, and whether it is fitted as a logarithm.
struct ParameterName {
  const char* name;
  bool log;
};
inline constexpr std::array<ParameterName, kNetworkParameters> kNetworkNames = {{
    {"network.alpha_intra_s", true},
    {"network.beta_intra_s_per_byte", true},
    {"network.alpha_inter_s", true},
    {"network.beta_inter_s_per_byte", true},
    {"network.nic_sharing", false},
    {"network.congestion", false},
    {"network.two_nodes", false},
    {"network.spread", true},
    {"network.crowding", false},
    {"network.contention", true},
}};
inline constexpr std::array<ParameterName, kWorkloadParameters> kWorkloadNames = {{
    {"launch_s", true},
    {"per_sample_s", true},
    {"overlap_minus_one", true},
    {"wire_bytes", true},
}};

/// Independent normal priors on the fitted forms.
template <int Size>
struct Prior {
  std::array<double, Size> mean{};
  std::array<double, Size> sd{};
};

/// What is known about a workload beside its parameters.
struct WorkloadTraits {
  std::string name;
  CurveShape shape;
  double curve_variance = 0;          ///< of ln compute, a doubling from measured batches
  int min_gpus = 1;                   ///< the fewest that were run
  std::vector<int> batches;           ///< measured on any scale, ascending
  std::vector<int> one_rank_batches;  ///< measured on one rank, ascending
  double buckets = 1;
  double serial_share = 0.35;
  double optimizer_s = 0;
  double load_s_per_sample = 0;
  std::vector<BucketShare> bucket_shares;  ///< empty: not measured, then the overlap is fitted
  double collective_slowdown = 1, compute_slowdown = 1;
  CollectiveFactors collective_factors;
  double repeat_variance =
      0;  ///< of ln(mean of 16 steps) when the same thing runs again; 0: not measured
};

/// network [kNetworkParameters] without contention: what a sweep sees.
template <class T>
Network<T> make_network(const T* network) {
  using std::exp;
  return {
      .intra = {Seconds<T>(exp(network[kAlphaIntra])), SecondsPerByte<T>(exp(network[kBetaIntra]))},
      .inter = {Seconds<T>(exp(network[kAlphaInter])), SecondsPerByte<T>(exp(network[kBetaInter]))},
      .nic_sharing = network[kNicSharing],
      .congestion = network[kCongestion],
      .two_nodes = network[kTwoNodes]};
}

/// network [kNetworkParameters], workload [kWorkloadParameters].
template <class T>
StepModel<T> make_step_model(const T* network, const T* workload, const WorkloadTraits& traits) {
  using std::exp;
  StepModel<T> model;
  model.network = make_network(network);
  model.spread = exp(network[kSpread]);
  model.compute = {.launch = Seconds<T>(exp(workload[kLaunch])),
                   .per_sample = SecondsPerSample<T>(exp(workload[kPerSample])),
                   .shape = traits.shape};
  model.crowding = network[kCrowding];
  model.contention = exp(network[kContention]);
  model.grad_bytes = Bytes<T>(exp(workload[kWireBytes]));
  model.buckets = T(traits.buckets);
  model.overlap = T(1) + exp(workload[kOverlap]);
  model.bucket_shares = traits.bucket_shares;
  model.collective_slowdown = traits.collective_slowdown;
  model.compute_slowdown = traits.compute_slowdown;
  model.collective_factors = traits.collective_factors;
  model.serial_share = traits.serial_share;
  model.optimizer = Seconds<>(traits.optimizer_s);
  model.load = SecondsPerSample<>(traits.load_s_per_sample);
  return model;
}

/// time_on_the_wire() of what a workload sends as counted, not as fitted.
template <class T>
Seconds<T> counted_time_on_the_wire(StepModel<T> model, Bytes<> grad_bytes,
                                    const Configuration& at) {
  model.grad_bytes = Bytes<T>(T(grad_bytes.value()));
  return time_on_the_wire(model, at);
}

}  // namespace forerun
