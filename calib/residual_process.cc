#include "calib/residual_process.h"

#include <cmath>

namespace forerun {
namespace {

constexpr double kLeastNoise = 1e-6;    // variance: no mean step time means more than 0.1 %
constexpr double kScaleLength = 3;      // doublings of nodes or of ranks per node
constexpr double kPlacementLength = 4;  // doublings of the batch
constexpr double kWireSd = 0.03;  // of the network around its formula, as beyond what was measured
constexpr double kWireNoise = 0.01;  // of what a step's collectives took

/// In the order of the log vector: the member, the prior's median and its sd in log.
struct Hyper {
  double ResidualProcess::*member;
  double median;
  double log_sd;
};
constexpr std::array<Hyper, kHyperParameters> kHyper = {{
    {&ResidualProcess::compute_sd, 0.03, 1},
    {&ResidualProcess::compute_length, 2, 0.7},
    {&ResidualProcess::scale_sd, 0.08, 1},
    {&ResidualProcess::batch_length, 3, 0.7},
    {&ResidualProcess::placement_sd, 0.02, 1},
    {&ResidualProcess::noise_sd, 0.02, 1},
    {&ResidualProcess::communication_noise_sd, 0.03, 1},
    {&ResidualProcess::sweep_sd, 0.3, 1},
}};

/// Where each member stands in the log vector.
enum HyperIndex {
  kComputeSd,
  kComputeLength,
  kScaleSd,
  kBatchLength,
  kPlacementSd,
  kNoiseSd,
  kCommunicationNoiseSd,
  kSweepSd
};

/// M(d / length) and its derivative by ln length, M(d) = (1 + sqrt(3) d) exp(-sqrt(3) d).
struct Matern {
  double value;
  double by_log_length;
};

Matern matern32(double distance, double length) {
  if (distance == 0) return {1, 0};
  const double d = std::sqrt(3.0) * std::fabs(distance) / length;
  const double decay = std::exp(-d);
  return {(1 + d) * decay, d * d * decay};
}

bool alone(const Coordinates& at) { return at.nodes == 0 && at.ranks_per_node == 0; }

bool same_placement(const Coordinates& a, const Coordinates& b) {
  return a.nodes == b.nodes && a.ranks_per_node == b.ranks_per_node && !alone(a);
}

double scale_distance(const Coordinates& a, const Coordinates& b) {
  const double nodes = a.nodes - b.nodes, ranks = a.ranks_per_node - b.ranks_per_node;
  return std::sqrt(nodes * nodes + ranks * ranks);  // std::hypot() guards against overflow, slowly
}

}  // namespace

int hyper_index(double ResidualProcess::*member) {
  int index = 0;
  while (index < kHyperParameters && kHyper[index].member != member) ++index;
  return index;
}

std::array<double, kHyperParameters> to_logs(const ResidualProcess& process) {
  std::array<double, kHyperParameters> logs{};
  for (int i = 0; i < kHyperParameters; ++i) logs[i] = std::log(process.*kHyper[i].member);
  return logs;
}

ResidualProcess from_logs(const double* logs) {
  ResidualProcess process;
  for (int i = 0; i < kHyperParameters; ++i) process.*kHyper[i].member = std::exp(logs[i]);
  return process;
}

double hyper_prior_cost(const double* logs, double* gradient) {
  double cost = 0;
  for (int i = 0; i < kHyperParameters; ++i) {
    const double z = (logs[i] - std::log(kHyper[i].median)) / kHyper[i].log_sd;
    cost += z * z / 2;
    if (gradient != nullptr) gradient[i] += z / kHyper[i].log_sd;
  }
  return cost;
}

ResidualProcess default_process() {
  ResidualProcess process;
  for (const Hyper& hyper : kHyper) process.*hyper.member = hyper.median;
  return process;
}

ResidualProcess amplified(ResidualProcess process, double amplitude) {
  for (const auto member :
       {&ResidualProcess::compute_sd, &ResidualProcess::scale_sd, &ResidualProcess::placement_sd,
        &ResidualProcess::noise_sd, &ResidualProcess::communication_noise_sd}) {
    process.*member *= amplitude;
  }
  return process;
}

WithGradient covariance_gradient(const ResidualProcess& p, const ProcessPoint& a,
                                 const ProcessPoint& b) {
  const double batch = a.at.batch - b.at.batch;
  const double over_scale = matern32(scale_distance(a.at, b.at), kScaleLength).value;
  if (a.of == RowOf::kWire) return {.value = kWireSd * kWireSd * over_scale};
  const Matern over_batch = matern32(batch, p.batch_length);
  WithGradient k;
  const bool sweep = a.of == RowOf::kSweep;
  const double amplitude = sweep ? p.sweep_sd * p.sweep_sd : p.scale_sd * p.scale_sd;
  const double everything = amplitude * over_scale * over_batch.value;
  k.value = everything;
  k.by_log[sweep ? kSweepSd : kScaleSd] = 2 * everything;
  k.by_log[kBatchLength] = amplitude * over_scale * over_batch.by_log_length;
  if (sweep) return k;
  const double faded =
      p.compute_sd * p.compute_sd * (1 - a.communication_share) * (1 - b.communication_share);
  const Matern over_compute = matern32(batch, p.compute_length);
  k.value += faded * over_compute.value;
  k.by_log[kComputeSd] = 2 * faded * over_compute.value;
  k.by_log[kComputeLength] = faded * over_compute.by_log_length;
  if (same_placement(a.at, b.at)) {
    const double own = p.placement_sd * p.placement_sd * matern32(batch, kPlacementLength).value;
    k.value += own;
    k.by_log[kPlacementSd] = 2 * own;
  }
  return k;
}

double covariance(const ResidualProcess& p, const ProcessPoint& a, const ProcessPoint& b) {
  return covariance_gradient(p, a, b).value;
}

BatchFactors batch_factors(const ResidualProcess& p, const Coordinates& a, const Coordinates& b) {
  const double distance = a.batch - b.batch;
  return {matern32(distance, p.batch_length).value, matern32(distance, kPlacementLength).value,
          p.compute_sd * p.compute_sd * matern32(distance, p.compute_length).value};
}

ScaleFactors scale_factors(const ResidualProcess& p, const Coordinates& a, const Coordinates& b) {
  return {p.scale_sd * p.scale_sd * matern32(scale_distance(a, b), kScaleLength).value,
          same_placement(a, b) ? p.placement_sd * p.placement_sd : 0};
}

WithGradient noise_variance_gradient(const ResidualProcess& p, const ProcessPoint& at) {
  const double communication = p.communication_noise_sd * at.communication_share;
  WithGradient v;
  if (at.of == RowOf::kWire) return {.value = kLeastNoise + kWireNoise * kWireNoise};
  v.value = kLeastNoise + p.noise_sd * p.noise_sd + communication * communication;
  v.by_log[kNoiseSd] = 2 * p.noise_sd * p.noise_sd;
  v.by_log[kCommunicationNoiseSd] = 2 * communication * communication;
  return v;
}

double noise_variance(const ResidualProcess& p, const ProcessPoint& at) {
  return noise_variance_gradient(p, at).value;
}

}  // namespace forerun
