#include "calib/fit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "calib/left_out.h"
#include "calib/own_amplitudes.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr int kRounds = 3;          // of process and parameters in turn
constexpr int kSettlingRounds = 3;  // of parameters alone
constexpr double kLongestStep = 1;  // e-folds: farther away a formula is something else
constexpr double kOutlier = 3;      // standard deviations of leaving one out

template <int Size>
Eigen::Matrix<double, Size, 1> mean_minus(const Prior<Size>& prior,
                                          const Eigen::Matrix<double, Size, 1>& at) {
  return Eigen::Map<const Eigen::Matrix<double, Size, 1>>(prior.mean.data()) - at;
}

/// One row of a series: what was observed (log) around its linearization.
void set_row(Series& series, Eigen::Index row, const Linearization& formula, double log_observed,
             const NetworkVector& network_offset, const WorkloadVector& workload_offset) {
  series.by_network.row(row) = formula.by_network;
  series.by_workload.row(row) = formula.by_workload;
  series.excess[row] = log_observed - formula.log_time - formula.by_network.dot(network_offset) -
                       formula.by_workload.dot(workload_offset);
}

Series sweep_series(const Evidence& evidence, const Parameters& parameters, const Priors& priors) {
  Series series = empty_series(evidence.sweeps.size());
  const NetworkVector offset = mean_minus(priors.network, parameters.network);
  for (size_t i = 0; i < evidence.sweeps.size(); ++i) {
    const SweepEvidence& sweep = evidence.sweeps[i];
    series.at[i] = {.at = coordinates_of({.placement = sweep.placement}),
                    .communication_share = 1,
                    .of = RowOf::kSweep};
    series.at[i].at.batch = std::log2(sweep.size_bytes);
    series.base_noise[static_cast<Eigen::Index>(i)] = sweep.relative_variance;
    set_row(series, static_cast<Eigen::Index>(i),
            linearize_sweep(parameters.network, sweep.collective, sweep.placement,
                            Bytes<>(sweep.size_bytes)),
            std::log(sweep.time_s), offset, WorkloadVector::Zero());
  }
  return series;
}

/// Collectives inside training: rows about the network alone.
Series wire_series(const WorkloadEvidence& workload, const Parameters& parameters, size_t index,
                   const Priors& priors) {
  Series series = empty_series(workload.wire.size());
  const NetworkVector offset = mean_minus(priors.network, parameters.network);
  for (size_t i = 0; i < workload.wire.size(); ++i) {
    const WirePoint& point = workload.wire[i];
    series.at[i] = {.at = coordinates_of(point.at), .communication_share = 1, .of = RowOf::kWire};
    series.base_noise[static_cast<Eigen::Index>(i)] = point.relative_variance;
    Linearization formula = linearize_wire(parameters.network, parameters.workloads[index],
                                           workload.traits, Bytes<>(workload.grad_bytes), point.at);
    formula.by_workload.setZero();
    set_row(series, static_cast<Eigen::Index>(i), formula, std::log(point.time_s), offset,
            WorkloadVector::Zero());
  }
  return series;
}

/// Every workload's series, then the sweeps' if there are any, then what was seen of collectives
/// inside training.
std::vector<Series> all_series(const Evidence& evidence, const ClusterFit& fit) {
  std::vector<Series> series;
  for (size_t w = 0; w < evidence.workloads.size(); ++w) {
    series.push_back(make_series(evidence.workloads[w], fit.parameters, w, fit.priors,
                                 fit.row_noise[w], fit.amplitudes[w]));
  }
  if (!evidence.sweeps.empty())
    series.push_back(sweep_series(evidence, fit.parameters, fit.priors));
  for (size_t w = 0; w < evidence.workloads.size(); ++w) {
    if (evidence.workloads[w].wire.empty()) continue;
    series.push_back(wire_series(evidence.workloads[w], fit.parameters, w, fit.priors));
  }
  return series;
}

/// Before the process exists: rows that fall out of line count for little. Out of line is a row
/// that differs from its own scale's other batches: a scale that differs from the formulas as a
/// whole is what the process is there to learn.
void raise_gross_outliers(const Evidence& evidence, ClusterFit& fit) {
  constexpr double kLeastLimit = 0.25;  // ln(observed / formula) of a row that may be just misfit
  constexpr double kAlone = 1.1;        // ln 3: where too few rows share a scale to compare with
  for (size_t w = 0; w < evidence.workloads.size(); ++w) {
    const WorkloadEvidence& workload = evidence.workloads[w];
    std::map<Scale, std::vector<double>> of_scale;
    std::vector<double> misses;
    const auto scale = [&](size_t i) { return scale_of(workload.points[i].at); };
    for (size_t i = 0; i < workload.points.size(); ++i) {
      const FitPoint& point = workload.points[i];
      misses.push_back(std::log(point.step_time_s) - linearize_step(fit.parameters.network,
                                                                    fit.parameters.workloads[w],
                                                                    workload.traits, point.at)
                                                         .log_time);
      of_scale[scale(i)].push_back(misses.back());
    }
    std::vector<double> distances;
    for (size_t i = 0; i < misses.size(); ++i)
      distances.push_back(std::fabs(misses[i] - median(of_scale[scale(i)])));
    const double limit = std::max(kLeastLimit, 6 * 1.4826 * median(distances));
    const double center = median(misses);
    for (size_t i = 0; i < misses.size(); ++i) {
      const bool compared = of_scale[scale(i)].size() >= 3;
      const double miss = compared ? distances[i] : std::fabs(misses[i] - center);
      if (miss > (compared ? limit : std::max(limit, kAlone))) {
        fit.row_noise[w][static_cast<Eigen::Index>(i)] += miss * miss;
      }
    }
  }
}

/// Rows that all others together do not expect get the noise that would explain them; unless most
/// rows of their scale are unexpected: then it is the scale that is different, and they are its
/// only witnesses.
void raise_outliers(const Evidence& evidence, const std::vector<Series>& series,
                    const std::vector<SolvedSeries>& solved, ClusterFit& fit) {
  for (size_t w = 0; w < evidence.workloads.size(); ++w) {
    const auto n = static_cast<Eigen::Index>(series[w].at.size());
    const auto [z, variance] = leave_out(solved[w], fit.network.deviation, one_by_one(n));
    std::map<Scale, int> rows, unexpected;
    for (Eigen::Index i = 0; i < n; ++i) {
      const Scale scale = scale_of(evidence.workloads[w].points[i].at);
      ++rows[scale];
      unexpected[scale] += std::fabs(z[i]) > kOutlier;
    }
    for (Eigen::Index i = 0; i < n; ++i) {
      const Scale scale = scale_of(evidence.workloads[w].points[i].at);
      if (std::fabs(z[i]) <= kOutlier || 2 * unexpected[scale] > rows[scale]) continue;
      fit.row_noise[w][i] += (z[i] * z[i] / (kOutlier * kOutlier) - 1) * variance[i];
    }
  }
}

/// Moves the parameters to the posterior mean, each by at most `longest`.
void update_parameters(const Evidence& evidence, const std::vector<Series>& series,
                       const std::vector<SolvedSeries>& solved, double longest, ClusterFit& fit) {
  fit.network = network_posterior(solved, series, fit.priors.network);
  const auto limited = [&](auto step) { return step.cwiseMax(-longest).cwiseMin(longest).eval(); };
  fit.parameters.network +=
      limited(fit.network.deviation + mean_minus(fit.priors.network, fit.parameters.network));
  fit.workloads.clear();
  for (size_t w = 0; w < evidence.workloads.size(); ++w) {
    fit.workloads.push_back(workload_posterior(solved[w], series[w], fit.network));
    fit.parameters.workloads[w] +=
        limited(fit.workloads[w].deviation +
                mean_minus(fit.priors.workloads[w], fit.parameters.workloads[w]));
  }
}

/// Relinearizes until it hardly matters where from. Latencies that a step hardly feels swing from
/// round to round: each step is at most half as long as the last.
void settle(const Evidence& evidence, ClusterFit& fit) {
  double longest = kLongestStep;
  for (int round = 0; round < kSettlingRounds; ++round) {
    longest /= 2;
    const std::vector<Series> series = all_series(evidence, fit);
    update_parameters(evidence, series, solve_all(series, fit.process), longest, fit);
  }
}

}  // namespace

Series make_series(const WorkloadEvidence& workload, const Parameters& parameters, size_t index,
                   const Priors& priors, const Eigen::VectorXd& row_noise, double amplitude) {
  Series series = empty_series(workload.points.size());
  series.amplitude = amplitude;
  series.base_noise = row_noise;
  series.workload_prior_sd = Eigen::Map<const WorkloadVector>(priors.workloads[index].sd.data());
  const NetworkVector network_offset = mean_minus(priors.network, parameters.network);
  const WorkloadVector workload_offset =
      mean_minus(priors.workloads[index], parameters.workloads[index]);
  for (size_t i = 0; i < workload.points.size(); ++i) {
    const FitPoint& point = workload.points[i];
    const Linearization formula =
        linearize_step(parameters.network, parameters.workloads[index], workload.traits, point.at);
    series.at[i] = {.at = coordinates_of(point.at),
                    .communication_share = formula.communication_share()};
    set_row(series, static_cast<Eigen::Index>(i), formula, std::log(point.step_time_s),
            network_offset, workload_offset);
  }
  return series;
}

ClusterFit fit_cluster(const Evidence& evidence, TwoNodeHypothesis hypothesis,
                       const Ingredients& ingredients, const ClusterFit* general) {
  ClusterFit fit;
  fit.amplitudes.assign(evidence.workloads.size(), 1);
  if (general != nullptr) fit.amplitudes = general->amplitudes;
  fit.priors = make_priors(evidence, hypothesis, ingredients);
  const FormulaFit formulas = fit_formulas(evidence, fit.priors);
  fit.parameters = formulas.parameters;
  fit.converged = formulas.converged;
  for (const WorkloadEvidence& workload : evidence.workloads) {
    Eigen::VectorXd noise(static_cast<Eigen::Index>(workload.points.size()));
    for (Eigen::Index i = 0; i < noise.size(); ++i) noise[i] = workload.points[i].relative_variance;
    fit.row_noise.push_back(noise);
  }
  if (ingredients.outliers) raise_gross_outliers(evidence, fit);
  fit.process = default_process(ingredients);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Series> series = all_series(evidence, fit);
    fit.process = fit_process(series, fit.priors.network, fit.process, ingredients);
    if (ingredients.amplitudes && round + 1 == kRounds) {
      fit.process = with_uncertain_amplitudes(fit.process, series, fit.priors.network, ingredients);
    }
    std::vector<SolvedSeries> solved = solve_all(series, fit.process);
    if (ingredients.own_amplitudes && general == nullptr) {
      fit.network = network_posterior(solved, series, fit.priors.network);
      const OwnAmplitudes found =
          own_amplitudes(evidence, solved, fit.network.deviation, fit.amplitudes);
      const bool changed = found.of_all > 1 || found.more != fit.amplitudes;
      fit.process = amplified(fit.process, found.of_all);
      fit.amplitudes = found.more;
      if (changed) {
        series = all_series(evidence, fit);
        solved = solve_all(series, fit.process);
      }
    }
    if (ingredients.outliers && round + 1 < kRounds) {
      fit.network = network_posterior(solved, series, fit.priors.network);
      raise_outliers(evidence, series, solved, fit);
    }
    update_parameters(evidence, series, solved, kLongestStep, fit);
  }
  settle(evidence, fit);
  return fit;
}

}  // namespace forerun
