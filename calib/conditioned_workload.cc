#include "calib/conditioned_workload.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace forerun {
namespace {

constexpr Eigen::Index kChunk = 256;  // points solved at once

/// What communication may do at world sizes that nothing was measured at, as a variance of ln T: a
/// step of nothing else may be off by 3 % a doubling because the network differs from its formula,
/// and by 5 % because one workload tells little of it; several tell more. Both chosen on public
/// clusters: calib/TRIED.md, "Each workload alone".
double beyond_variance(const Linearization& formula, double doublings, int workloads) {
  constexpr double kNetwork = 0.03, kOneWorkload = 0.05;
  const double per_doubling =
      kNetwork * kNetwork + kOneWorkload * kOneWorkload / std::max(1, workloads);
  return per_doubling * doublings * doublings * formula.communication_share();
}

/// What compute may differ by at batches that were not measured, as a variance of ln T: a Brownian
/// path, tied down where it was measured. Several ranks are tied down by any scale's batches.
double unmeasured_batch_variance(const Linearization& formula, const WorkloadTraits& traits,
                                 const Configuration& at) {
  const std::vector<int>& batches = at.world_size() == 1 ? traits.one_rank_batches : traits.batches;
  if (batches.empty()) return 0;
  const auto above = std::ranges::lower_bound(batches, at.local_batch);
  const auto to = [&](int batch) { return std::fabs(std::log2(1.0 * batch / at.local_batch)); };
  double doublings = 0;
  if (above == batches.begin()) {
    doublings = to(*above);
  } else if (above == batches.end()) {
    doublings = to(batches.back());
  } else {
    const double up = to(*above), down = to(*std::prev(above));
    doublings = up * down / (up + down);
  }
  const double compute_share = 1 - formula.communication_share();
  return traits.curve_variance * doublings * compute_share * compute_share;
}

/// What is not known of fewer ranks than any that were run, as a variance of ln T: steps of several
/// do not tell compute from communication, and hardly from ranks in each other's way where they say
/// what of them was exposed. On full nodes of three public clusters compute is 0.2 to 1 of a step,
/// 0.54 to 0.85 in the middle; on two of them a step less what is exposed is 6 % off in the middle,
/// 15 % in one case of ten.
double unmeasured_few_variance(const WorkloadTraits& traits, const Configuration& at) {
  const double per_doubling = traits.one_rank_batches.empty() ? 0.2 : 0.045;
  const double fewer = std::log2(1.0 * traits.min_gpus / at.world_size());
  const double sd = per_doubling * std::max(0.0, fewer);
  return sd * sd;
}

}  // namespace

double doublings_beyond(const Configuration& at, int measured_max_gpus) {
  return std::max(0.0, std::log2(static_cast<double>(at.world_size()) / measured_max_gpus));
}

MeasuredWorld measured_world(const Calibration& calibration, int network) {
  const auto& all = calibration.workloads;
  const auto several = std::count_if(all.begin(), all.end(), [&](const WorkloadCalibration& w) {
    return w.network == network && w.max_gpus > 1;
  });
  return {calibration.networks[network].max_gpus, static_cast<int>(several)};
}

ConditionedWorkload::ConditionedWorkload(ConditionedSeries given, MeasuredWorld measured,
                                         double interval_scale)
    : given_(std::move(given)), measured_(measured), interval_scale_(interval_scale) {}

void ConditionedWorkload::predict(const std::vector<Configuration>& at, std::vector<LogNormal>& out,
                                  std::vector<StepTime<>>* parts) const {
  out.resize(at.size());
  for (size_t first = 0; first < at.size(); first += kChunk) {
    const auto count = std::min<Eigen::Index>(kChunk, static_cast<Eigen::Index>(at.size() - first));
    predict_chunk(&at[first], count, &out[first]);
  }
  if (parts == nullptr) return;
  const StepModel<> model =
      make_step_model(given_.network.data(), given_.parameters.data(), given_.traits);
  for (size_t i = 0; i < at.size(); ++i) (*parts)[i] = step_time(model, at[i]);
}

void ConditionedWorkload::predict_chunk(const Configuration* at, Eigen::Index count,
                                        LogNormal* out) const {
  const double amplitude = given_.series.amplitude;
  const WorkloadVector prior_variance = given_.series.workload_prior_sd.array().square();
  Eigen::MatrixXd cross(given_.weights.size(), count);
  Eigen::MatrixXd by_network(kNetworkParameters, count);
  const std::vector<Linearization> formulas = linearize_steps(
      given_.network, given_.parameters, given_.traits, {at, static_cast<size_t>(count)});
  for (Eigen::Index i = 0; i < count; ++i) {
    const Linearization& formula = formulas[i];
    const ProcessPoint point{coordinates_of(at[i]), formula.communication_share()};
    cross.col(i) = cross_covariance(given_, point, formula.by_workload);
    by_network.col(i) = formula.by_network;
    out[i].mean = formula.log_time + formula.by_workload.dot(given_.offset) +
                  cross.col(i).dot(given_.weights);
    out[i].variance =
        covariance(given_.process, point, point) +
        formula.by_workload.dot(prior_variance.cwiseProduct(formula.by_workload)) +
        noise_variance(given_.process, point) + given_.traits.repeat_variance +
        unmeasured_batch_variance(formula, given_.traits, at[i]) +
        unmeasured_few_variance(given_.traits, at[i]) +
        amplitude * amplitude *
            beyond_variance(formula, doublings_beyond(at[i], measured_.gpus), measured_.workloads);
  }
  // What the rows do not explain of the network parameters' effect.
  const Eigen::MatrixXd unexplained = by_network - given_.solved.solved_network.transpose() * cross;
  const Eigen::MatrixXd network_variance = given_.network_covariance * unexplained;
  given_.solved.cholesky.matrixL().solveInPlace(cross);
  for (Eigen::Index i = 0; i < count; ++i) {
    const double left =
        unexplained.col(i).dot(network_variance.col(i)) - cross.col(i).squaredNorm();
    const double scale = at[i].world_size() > 1 ? interval_scale_ : 1;
    out[i].variance = std::max(out[i].variance + left, 1e-12) * scale * scale;
  }
}

}  // namespace forerun
