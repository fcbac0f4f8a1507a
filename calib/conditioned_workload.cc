#include "calib/conditioned_workload.h"

#include <algorithm>
#include <cmath>

#include "calib/fit.h"

namespace forerun {
namespace {

constexpr Eigen::Index kChunk = 256;  // points solved at once

/// What the network may do at world sizes that nothing was measured at: 3 % of the communication a
/// doubling.
double beyond_variance(const Linearization& formula, double doublings) {
  constexpr double kPerDoubling = 0.03;
  return std::pow(kPerDoubling * doublings, 2) * formula.communication_share();
}

template <int Size>
Prior<Size> prior_of(const ParameterBlock& block) {
  Prior<Size> prior;
  std::copy_n(block.prior_mean.begin(), Size, prior.mean.begin());
  std::copy_n(block.prior_sd.begin(), Size, prior.sd.begin());
  return prior;
}

template <class Vector>
Vector vector_of(const std::vector<double>& values) {
  return Eigen::Map<const Vector>(values.data());
}

}  // namespace

WorkloadTraits traits_of(const WorkloadCalibration& w) {
  return {.name = w.name,
          .shape = {w.shape_log_batch, w.shape_log_factor},
          .buckets = w.buckets,
          .serial_share = w.serial_share,
          .optimizer_s = w.optimizer_s,
          .load_s_per_sample = w.load_s_per_sample,
          .repeat_variance = w.repeat_variance};
}

Series series_of(const WorkloadCalibration& workload, const ParameterBlock& own,
                 const ParameterBlock& network) {
  WorkloadEvidence evidence{.traits = traits_of(workload), .points = {}};
  Eigen::VectorXd noise(static_cast<Eigen::Index>(workload.points.size()));
  for (const FittedPoint& p : workload.points) {
    noise[static_cast<Eigen::Index>(evidence.points.size())] = p.noise_variance;
    evidence.points.push_back({p.at, p.step_time_s});
  }
  const Parameters parameters{.network = vector_of<NetworkVector>(network.estimate),
                              .workloads = {vector_of<WorkloadVector>(own.estimate)}};
  const Priors priors{.network = prior_of<kNetworkParameters>(network),
                      .workloads = {prior_of<kWorkloadParameters>(own)}};
  return make_series(evidence, parameters, 0, priors, noise);
}

double doublings_beyond(const Configuration& at, int measured_max_gpus) {
  return std::max(0.0, std::log2(static_cast<double>(at.world_size()) / measured_max_gpus));
}

ConditionedWorkload::ConditionedWorkload(const WorkloadCalibration& workload,
                                         const ParameterBlock& own, const Hypothesis& hypothesis,
                                         int measured_max_gpus)
    : ConditionedWorkload(workload, own, hypothesis, measured_max_gpus,
                          series_of(workload, own, hypothesis.network)) {}

ConditionedWorkload::ConditionedWorkload(const WorkloadCalibration& workload,
                                         const ParameterBlock& own, const Hypothesis& hypothesis,
                                         int measured_max_gpus, const Series& series)
    : traits_(traits_of(workload)),
      process_(hypothesis.process),
      measured_max_gpus_(measured_max_gpus),
      network_(vector_of<NetworkVector>(hypothesis.network.estimate)),
      network_offset_(vector_of<NetworkVector>(hypothesis.network.prior_mean) - network_),
      network_covariance_(Eigen::Map<const NetworkMatrix>(hypothesis.network_covariance.data())),
      parameters_(vector_of<WorkloadVector>(own.estimate)),
      offset_(vector_of<WorkloadVector>(own.prior_mean) - parameters_),
      prior_variance_(series.workload_prior_sd.array().square()),
      rows_(process_, series.at),
      prior_effect_(series.by_workload * prior_variance_.asDiagonal()),
      solved_(solve_series(series, process_)),
      // The network's deviation from its prior is minus the offset: the fit ended at the posterior.
      weights_(solved_.solved_excess + solved_.solved_network * network_offset_) {}

void ConditionedWorkload::predict(const std::vector<Configuration>& at, std::vector<LogNormal>& out,
                                  std::vector<StepTime<>>* parts) const {
  out.resize(at.size());
  for (size_t first = 0; first < at.size(); first += kChunk) {
    const auto count = std::min<Eigen::Index>(kChunk, static_cast<Eigen::Index>(at.size() - first));
    predict_chunk(&at[first], count, &out[first]);
  }
  if (parts == nullptr) return;
  const StepModel<> model = make_step_model(network_.data(), parameters_.data(), traits_);
  for (size_t i = 0; i < at.size(); ++i) (*parts)[i] = step_time(model, at[i]);
}

void ConditionedWorkload::predict_chunk(const Configuration* at, Eigen::Index count,
                                        LogNormal* out) const {
  Eigen::MatrixXd cross(weights_.size(), count);
  Eigen::MatrixXd by_network(kNetworkParameters, count);
  for (Eigen::Index i = 0; i < count; ++i) {
    const Linearization formula = linearize_step(network_, parameters_, traits_, at[i]);
    const ProcessPoint point{coordinates_of(at[i]), formula.communication_share()};
    cross.col(i) = rows_.with(point) + prior_effect_ * formula.by_workload;
    by_network.col(i) = formula.by_network;
    out[i].mean = formula.log_time + formula.by_workload.dot(offset_) + cross.col(i).dot(weights_);
    out[i].variance = covariance(process_, point, point) +
                      formula.by_workload.dot(prior_variance_.cwiseProduct(formula.by_workload)) +
                      noise_variance(process_, point) + traits_.repeat_variance +
                      beyond_variance(formula, doublings_beyond(at[i], measured_max_gpus_));
  }
  // What the rows do not explain of the network parameters' effect.
  const Eigen::MatrixXd unexplained = by_network - solved_.solved_network.transpose() * cross;
  const Eigen::MatrixXd network_variance = network_covariance_ * unexplained;
  solved_.cholesky.matrixL().solveInPlace(cross);
  for (Eigen::Index i = 0; i < count; ++i) {
    const double left =
        unexplained.col(i).dot(network_variance.col(i)) - cross.col(i).squaredNorm();
    out[i].variance = std::max(out[i].variance + left, 1e-12);
  }
}

}  // namespace forerun
