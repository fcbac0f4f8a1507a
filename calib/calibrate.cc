#include "calib/calibrate.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "calib/fit.h"
#include "calib/held_out.h"
#include "calib/inside_training.h"
#include "calib/memory_fit.h"
#include "calib/second_fit.h"
#include "calib/unexpected.h"
#include "model/error.h"

namespace forerun {
namespace {

// When the data count as having determined a parameter: they left less than this of the prior's sd,
// and know a positive one within a factor of two either way (90 %).
constexpr double kPriorLeft = 0.7;
constexpr double kFactorOfTwo = 0.42;  // ln 2 / 1.645
// Before anything is measured. Of the five networks that this was built on, two nodes differ from
// more on one.
constexpr double kTwoNodesDiffer = 1.0 / 3;

template <int Size>
ParameterBlock block_of(const Prior<Size>& prior, const Eigen::Matrix<double, Size, 1>& estimate) {
  return {{prior.mean.begin(), prior.mean.end()},
          {prior.sd.begin(), prior.sd.end()},
          {estimate.begin(), estimate.end()}};
}

template <int Size, size_t Names>
void add_parameters(std::vector<Parameter>& out, const std::string& prefix,
                    const std::array<ParameterName, Names>& names, const Prior<Size>& prior,
                    const Eigen::Matrix<double, Size, 1>& estimate,
                    const Eigen::Matrix<double, Size, Size>& covariance) {
  for (int i = 0; i < Size; ++i) {
    const double sd = std::sqrt(std::max(0.0, covariance(i, i)));
    // A parameter that is not in play has a prior that fixes it.
    const bool determined =
        prior.sd[i] > 1e-3 && sd < kPriorLeft * prior.sd[i] && (!names[i].log || sd < kFactorOfTwo);
    out.push_back({prefix + names[i].name, estimate[i], sd, names[i].log, prior.sd[i], determined});
  }
}

NetworkCalibration describe_network(const std::string& cluster, const Evidence& evidence) {
  NetworkCalibration network{.cluster = cluster, .hypotheses = {}};
  network.bytes_known = !evidence.sweeps.empty();
  const auto see = [&](const Placement& placement) {
    network.max_nodes = std::max(network.max_nodes, placement.nodes());
    network.max_gpus = std::max(network.max_gpus, placement.world_size());
    network.max_gpus_per_node = std::max(network.max_gpus_per_node, placement.max_ranks_per_node());
    network.intra_measured =
        network.intra_measured || (placement.nodes() == 1 && placement.world_size() > 1);
    network.inter_measured = network.inter_measured || placement.nodes() > 1;
  };
  for (const WorkloadEvidence& w : evidence.workloads) {
    for (const FitPoint& p : w.points) {
      see(p.at.placement);
      network.bytes_known = network.bytes_known || (w.grad_bytes > 0 && p.at.world_size() > 1);
    }
  }
  for (const SweepEvidence& sweep : evidence.sweeps) {
    see(sweep.placement);
    double& least = network.least_sweep_bytes;
    least = least > 0 ? std::min(least, sweep.size_bytes) : sweep.size_bytes;
  }
  return network;
}

/// With how far its points reach, which are to be all.
WorkloadCalibration describe_workload(const WorkloadEvidence& evidence) {
  WorkloadCalibration w;
  w.name = evidence.traits.name;
  w.grad_bytes = evidence.grad_bytes;
  w.buckets = evidence.traits.buckets;
  w.serial_share = evidence.traits.serial_share;
  w.optimizer_s = evidence.traits.optimizer_s;
  w.bucket_shares = evidence.traits.bucket_shares;
  w.collective_slowdown = evidence.traits.collective_slowdown;
  w.compute_slowdown = evidence.traits.compute_slowdown;
  w.collective_factors = evidence.traits.collective_factors;
  w.repeat_variance = evidence.traits.repeat_variance;
  w.shape_log_batch = evidence.traits.shape.log_batch;
  w.shape_log_factor = evidence.traits.shape.log_factor;
  w.curve_variance = evidence.traits.curve_variance;
  w.batches_measured = evidence.traits.batches;
  w.one_rank_batches = evidence.traits.one_rank_batches;
  w.min_gpus = INT_MAX;
  for (const FitPoint& p : evidence.points) {
    if (p.runs > 0) w.min_gpus = std::min(w.min_gpus, p.at.world_size());
    w.max_gpus = std::max(w.max_gpus, p.at.world_size());
    w.max_nodes = std::max(w.max_nodes, p.at.placement.nodes());
    w.max_gpus_per_node = std::max(w.max_gpus_per_node, p.at.placement.max_ranks_per_node());
  }
  return w;
}

std::vector<FittedPoint> fitted_points(const std::vector<FitPoint>& points,
                                       const Eigen::VectorXd& row_noise) {
  std::vector<FittedPoint> out;
  for (size_t i = 0; i < points.size(); ++i) {
    out.push_back({points[i].at, points[i].step_time_s, row_noise[static_cast<Eigen::Index>(i)]});
  }
  return out;
}

/// Given a fit in which two nodes may differ, how probable it is that they are like more. Their
/// tau is 0 then: the posterior's density there over the prior's is the Bayes factor (Dickey, *The
/// weighted likelihood ratio*, 1971). Data from one and two nodes cannot tell.
double probability_of_like_more(const ClusterFit& fit, int measured_max_nodes) {
  const double prior = 1 - kTwoNodesDiffer;
  if (measured_max_nodes < 3) return prior;
  const double tau = fit.parameters.network[kTwoNodes];  // its prior's mean is 0
  const double sd = std::sqrt(fit.network.covariance(kTwoNodes, kTwoNodes));
  if (!(sd > 0)) return prior;
  const double density = std::exp(-0.5 * tau * tau / (sd * sd)) / sd;
  const double odds = prior / kTwoNodesDiffer * density * fit.priors.network.sd[kTwoNodes];
  return odds / (1 + odds);
}

Hypothesis describe_hypothesis(const char* name, double weight, const ClusterFit& fit) {
  return {.name = name,
          .weight = weight,
          .network = block_of(fit.priors.network, fit.parameters.network),
          .network_covariance = {fit.network.covariance.data(),
                                 fit.network.covariance.data() + fit.network.covariance.size()},
          .process = fit.process};
}

/// Two nodes may differ from more, or are like them. Fills in the network's hypotheses; the first
/// contains the other.
std::vector<ClusterFit> fit_hypotheses(const Evidence& evidence, const Ingredients& ingredients,
                                       NetworkCalibration& network) {
  constexpr double kRuledOut = 1e-3;  // would cost time in every prediction and change none
  const char* const like_more = "two nodes are like more";
  std::vector<ClusterFit> fits;
  if (!ingredients.two_nodes) {
    fits.push_back(fit_cluster(evidence, TwoNodeHypothesis::kSameAsMore, ingredients));
    network.hypotheses = {describe_hypothesis(like_more, 1, fits.front())};
    return fits;
  }
  fits.push_back(fit_cluster(evidence, TwoNodeHypothesis::kMayDiffer, ingredients));
  const double probability = network.inter_measured
                                 ? probability_of_like_more(fits.front(), network.max_nodes)
                                 : 0;  // there is nothing to tell apart
  const bool both = probability >= kRuledOut;
  network.hypotheses = {describe_hypothesis("two nodes may differ from more",
                                            both ? 1 - probability : 1, fits.front())};
  if (!both) return fits;
  fits.push_back(fit_cluster(evidence, TwoNodeHypothesis::kSameAsMore, ingredients, &fits.front()));
  network.hypotheses.push_back(describe_hypothesis(like_more, probability, fits.back()));
  return fits;
}

/// Adds one cluster's network and workloads.
void add_cluster(Calibration& calibration, const std::string& cluster, bool several,
                 Evidence evidence, const Ingredients& ingredients) {
  NetworkCalibration network = describe_network(cluster, evidence);
  std::vector<WorkloadCalibration> workloads;
  for (const WorkloadEvidence& w : evidence.workloads) workloads.push_back(describe_workload(w));
  thin_out(evidence);
  const std::vector<ClusterFit> fits = fit_hypotheses(evidence, ingredients, network);
  for (const ClusterFit& fit : fits) calibration.converged = calibration.converged && fit.converged;

  const ClusterFit& first = fits.front();
  add_parameters(calibration.parameters, cluster_prefix(cluster, several, '.'), kNetworkNames,
                 first.priors.network, first.parameters.network, first.network.covariance);
  for (size_t i = 0; i < evidence.workloads.size(); ++i) {
    WorkloadCalibration& w = workloads[i];
    w.points = fitted_points(evidence.workloads[i].points, first.row_noise[i]);
    w.network = static_cast<int>(calibration.networks.size());
    w.amplitude = first.amplitudes[i];
    for (const ClusterFit& fit : fits)
      w.hypotheses.push_back(block_of(fit.priors.workloads[i], fit.parameters.workloads[i]));
    w.name = cluster_prefix(cluster, several, ':') + w.name;
    add_parameters(calibration.parameters, w.name + ".", kWorkloadNames, first.priors.workloads[i],
                   first.parameters.workloads[i], first.workloads[i].covariance);
    calibration.workloads.push_back(std::move(w));
  }
  calibration.networks.push_back(std::move(network));
}

std::map<std::string, std::vector<Observation>> by_cluster(const std::vector<Observation>& rows) {
  std::map<std::string, std::vector<Observation>> clusters;
  for (const Observation& row : rows) clusters[row.cluster].push_back(row);
  return clusters;
}

/// The fit alone, without a check.
Calibration fit_rows(const std::vector<Observation>& rows, const Profile* profile,
                     const Ingredients& ingredients) {
  if (rows.empty()) throw Error("no row to fit (every row has role test?)");
  Calibration calibration;
  const auto clusters = by_cluster(rows);
  const bool several = clusters.size() > 1;
  for (const auto& [cluster, of_cluster] : clusters) {
    Evidence evidence = gather_evidence(of_cluster);
    add_own_shares(of_cluster, evidence);
    if (profile != nullptr) {
      add_inside_training(*profile, evidence);
      add_sweeps(*profile, evidence);
    }
    add_cluster(calibration, cluster, several, std::move(evidence), ingredients);
    std::map<std::string, std::vector<const Observation*>> of_workload;
    for (const Observation& row : of_cluster) {
      const std::string name = workload_name(row.model, row.at);
      of_workload[cluster_prefix(cluster, several, ':') + name].push_back(&row);
    }
    for (WorkloadCalibration& w : calibration.workloads) {
      const auto same = of_workload.find(w.name);
      if (same != of_workload.end()) w.memory = fit_memory(same->second);
    }
  }
  return calibration;
}

Calibration with_unexpected(Calibration calibration, const std::vector<Observation>& fitted) {
  find_unexpected(points_by_workload(fitted, calibration), calibration);
  return calibration;
}

Calibration calibrate(const std::vector<Observation>& rows, const Profile* profile,
                      const std::string& source, const Ingredients& ingredients) {
  const auto start = std::chrono::steady_clock::now();
  const Split outer = split_by_role(rows);
  const bool has_test =
      std::any_of(rows.begin(), rows.end(), [](const Observation& o) { return o.role == "test"; });
  const std::vector<Observation>& fit = has_test ? outer.fit : rows;

  Calibration calibration = fit_rows(fit, profile, ingredients);
  calibration.source = source;
  const Split inner = split_inside(fit);
  calibration.held_out_by = inner.description;
  if (!inner.fit.empty() && !inner.test.empty()) {
    const Calibration fewer = with_unexpected(fit_rows(inner.fit, profile, ingredients), inner.fit);
    learn_from_second_fit(fewer, inner, ingredients, calibration);
  }
  calibration = with_unexpected(std::move(calibration), fit);
  if (has_test) {
    for (WorkloadCalibration& w : calibration.workloads) {
      w.held_out.reset();
      w.naive.clear();
    }
    for (const auto& [name, result] : check_workloads(calibration, outer)) {
      auto w = std::find_if(calibration.workloads.begin(), calibration.workloads.end(),
                            [&wanted = name](const auto& c) { return c.name == wanted; });
      w->held_out = result.model;
      w->naive = result.naive;
    }
    calibration.held_out_by = outer.description;
  }
  calibration.fit_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return calibration;
}

}  // namespace

Calibration calibrate_observations(const std::vector<Observation>& rows, const std::string& source,
                                   const Ingredients& ingredients) {
  return calibrate(rows, nullptr, source, ingredients);
}

Calibration calibrate_profile(const Profile& profile, const std::string& source) {
  if (profile.machine.label.starts_with(kSharedGpuLabel)) {
    throw Refusal(source + ": ranks shared a GPU (" + profile.machine.label +
                  "): such times predict nothing; measure with one GPU a rank");
  }
  const std::vector<Observation> rows = observations_of(profile);
  if (rows.empty()) {
    throw Refusal(source + ": holds no measured step, perhaps because measure was stopped early; " +
                  "run it again, it continues");
  }
  Calibration calibration = calibrate(rows, &profile, source, {});
  calibration.device = profile.machine.device;
  calibration.label = profile.machine.label;
  calibration.max_ranks = profile.machine.max_ranks;
  calibration.threads_per_rank = profile.machine.threads_per_rank;
  calibration.memory_per_rank_bytes = profile.machine.memory_per_rank_bytes;
  for (WorkloadCalibration& w : calibration.workloads) {
    if (const WorkloadProfile* measured = profile.find(w.name))
      w.noise_scale = measured->noise_scale;
  }
  return calibration;
}

}  // namespace forerun
