#include "calib/conditioned_series.h"

#include <algorithm>

#include "calib/fit.h"
#include "model/error.h"

namespace forerun {
namespace {

template <int Size>
Prior<Size> prior_of(const ParameterBlock& block) {
  Prior<Size> prior;
  std::copy_n(block.prior_mean.begin(), Size, prior.mean.begin());
  std::copy_n(block.prior_sd.begin(), Size, prior.sd.begin());
  return prior;
}

/// Throws Error where a file holds other parameters than this program's.
template <class Vector>
Vector vector_of(const std::vector<double>& values) {
  if (static_cast<Eigen::Index>(values.size()) != Vector::RowsAtCompileTime) {
    throw Error("the calibration holds " + std::to_string(values.size()) +
                " parameters of one kind where this program has " +
                std::to_string(Vector::RowsAtCompileTime) + "; calibrate again");
  }
  return Eigen::Map<const Vector>(values.data());
}

/// The workload's fitted rows, linearized where the fit ended.
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
  return make_series(evidence, parameters, 0, priors, noise, workload.amplitude);
}

}  // namespace

WorkloadTraits traits_of(const WorkloadCalibration& w) {
  return {.name = w.name,
          .shape = {w.shape_log_batch, w.shape_log_factor},
          .curve_variance = w.curve_variance,
          .min_gpus = w.min_gpus,
          .batches = w.batches_measured,
          .one_rank_batches = w.one_rank_batches,
          .buckets = w.buckets,
          .serial_share = w.serial_share,
          .optimizer_s = w.optimizer_s,
          .load_s_per_sample = w.load_s_per_sample,
          .bucket_shares = w.bucket_shares,
          .collective_slowdown = w.collective_slowdown,
          .compute_slowdown = w.compute_slowdown,
          .collective_factors = w.collective_factors,
          .repeat_variance = w.repeat_variance};
}

ConditionedSeries condition(const WorkloadCalibration& workload, const ParameterBlock& own,
                            const Hypothesis& hypothesis) {
  ConditionedSeries out;
  out.traits = traits_of(workload);
  out.process = amplified(hypothesis.process, workload.amplitude);
  out.network = vector_of<NetworkVector>(hypothesis.network.estimate);
  out.parameters = vector_of<WorkloadVector>(own.estimate);
  out.offset = vector_of<WorkloadVector>(own.prior_mean) - out.parameters;
  out.network_covariance = Eigen::Map<const NetworkMatrix>(hypothesis.network_covariance.data());
  out.series = series_of(workload, own, hypothesis.network);
  out.rows = RowCovariance(out.process, out.series.at);
  out.solved = solve_series(out.series, hypothesis.process);
  // The fit ended at the posterior: the network's deviation from its prior is what it moved.
  const NetworkVector deviation =
      out.network - vector_of<NetworkVector>(hypothesis.network.prior_mean);
  out.weights = out.solved.solved_excess - out.solved.solved_network * deviation;
  return out;
}

ConditionedSeries condition(const Calibration& calibration, const WorkloadCalibration& workload,
                            size_t hypothesis) {
  return condition(workload, workload.hypotheses[hypothesis],
                   calibration.networks[workload.network].hypotheses[hypothesis]);
}

Eigen::VectorXd cross_covariance(const ConditionedSeries& given, const ProcessPoint& at,
                                 const WorkloadVector& by_workload) {
  const WorkloadVector variance = given.series.workload_prior_sd.array().square();
  Eigen::VectorXd k = given.rows.with(at);
  k.noalias() += given.series.by_workload * variance.cwiseProduct(by_workload);
  return k;
}

}  // namespace forerun
