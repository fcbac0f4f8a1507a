#include "calib/linearization.h"

#include <ceres/jet.h>

namespace forerun {
namespace {

using Jet = ceres::Jet<double, kAllParameters>;

template <int Size>
std::array<Jet, Size> variables(const Eigen::Matrix<double, Size, 1>& values, int first) {
  std::array<Jet, Size> out;
  for (int i = 0; i < Size; ++i) out[i] = Jet(values[i], first + i);
  return out;
}

Linearization linearization_of(const Jet& time) {
  Linearization out;
  out.log_time = std::log(time.a);
  out.by_network = time.v.head<kNetworkParameters>() / time.a;
  out.by_workload = time.v.tail<kWorkloadParameters>() / time.a;
  return out;
}

}  // namespace

std::vector<Linearization> linearize_steps(const NetworkVector& network,
                                           const WorkloadVector& workload,
                                           const WorkloadTraits& traits,
                                           std::span<const Configuration> at) {
  const auto n = variables<kNetworkParameters>(network, 0);
  const auto w = variables<kWorkloadParameters>(workload, kNetworkParameters);
  const StepModel<Jet> model = make_step_model(n.data(), w.data(), traits);
  std::vector<Linearization> out;
  out.reserve(at.size());
  for (const Configuration& one : at) {
    out.push_back(linearization_of(step_time(model, one).total().value()));
  }
  return out;
}

Linearization linearize_step(const NetworkVector& network, const WorkloadVector& workload,
                             const WorkloadTraits& traits, const Configuration& at) {
  return linearize_steps(network, workload, traits, {&at, 1}).front();
}

Linearization linearize_wire(const NetworkVector& network, const WorkloadVector& workload,
                             const WorkloadTraits& traits, Bytes<> grad_bytes,
                             const Configuration& at) {
  const auto n = variables<kNetworkParameters>(network, 0);
  const auto w = variables<kWorkloadParameters>(workload, kNetworkParameters);
  return linearization_of(
      counted_time_on_the_wire(make_step_model(n.data(), w.data(), traits), grad_bytes, at)
          .value());
}

Linearization linearize_sweep(const NetworkVector& network, Collective collective,
                              const Placement& placement, Bytes<> size) {
  const auto n = variables<kNetworkParameters>(network, 0);
  return linearization_of(
      collective_time(make_network(n.data()), collective, Bytes<Jet>(Jet(size.value())), placement)
          .value());
}

}  // namespace forerun
