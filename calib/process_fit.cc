#include "calib/process_fit.h"

#include <ceres/ceres.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "calib/interval_scale.h"

namespace forerun {
namespace {

// More add time, not information, to a handful of numbers.
constexpr Eigen::Index kMostRows = 60;  // of a series
constexpr size_t kMostSeries = 500;

/// Rows of one rank: the compute curve was drawn through them, or they were left out of it as
/// slips. They say nothing of what formulas miss, nor of noise.
bool on_curve(const ProcessPoint& row) {
  return row.of == RowOf::kStep && row.at.nodes == 0 && row.at.ranks_per_node == 0;
}

/// The rows that tell of the process: all, if fewer than three lie on the curve (a line passes
/// through them whatever they are) or nothing else was measured.
std::vector<Eigen::Index> telling_rows(const Series& series) {
  constexpr int kFewest = 3;
  std::vector<Eigen::Index> all, off_curve;
  for (size_t i = 0; i < series.at.size(); ++i) {
    all.push_back(static_cast<Eigen::Index>(i));
    if (!on_curve(series.at[i])) off_curve.push_back(all.back());
  }
  const bool shaped = all.size() >= off_curve.size() + kFewest;
  return shaped && !off_curve.empty() ? off_curve : all;
}

/// At most kMostRows telling rows, spread evenly.
Series thinned(const Series& series) {
  const std::vector<Eigen::Index> rows = telling_rows(series);
  const auto n = static_cast<Eigen::Index>(rows.size());
  const Eigen::Index count = std::min(n, kMostRows);
  Series out = empty_series(count);
  out.workload_prior_sd = series.workload_prior_sd;
  out.amplitude = series.amplitude;
  for (Eigen::Index i = 0; i < count; ++i) {
    const Eigen::Index from = rows[i * n / count];
    out.at[i] = series.at[from];
    out.excess[i] = series.excess[from];
    out.base_noise[i] = series.base_noise[from];
    out.by_network.row(i) = series.by_network.row(from);
    out.by_workload.row(i) = series.by_workload.row(from);
  }
  return out;
}

/// At most kMostSeries series, spread evenly, thinned.
std::vector<Series> thinned(const std::vector<Series>& series) {
  const size_t count = std::min(series.size(), kMostSeries);
  std::vector<Series> out;
  for (size_t i = 0; i < count; ++i) out.push_back(thinned(series[i * series.size() / count]));
  return out;
}

/// d log_evidence / d K of one series, K as solve_series() makes it: (beta beta' - C^-1) / 2 with
/// the network marginalized.
Eigen::MatrixXd evidence_by_covariance(const SolvedSeries& solved,
                                       const NetworkPosterior& network) {
  const Eigen::Index n = solved.solved_excess.size();
  const Eigen::VectorXd beta = solved.solved_excess - solved.solved_network * network.deviation;
  Eigen::MatrixXd out = -solved.cholesky.solve(Eigen::MatrixXd::Identity(n, n));
  out.noalias() += solved.solved_network * network.covariance * solved.solved_network.transpose();
  out.noalias() += beta * beta.transpose();
  return 0.5 * out;
}

/// The amplitudes that are left out.
std::vector<double ResidualProcess::*> absent_amplitudes(const Ingredients& ingredients) {
  if (!ingredients.process)
    return {&ResidualProcess::compute_sd, &ResidualProcess::scale_sd,
            &ResidualProcess::placement_sd};
  if (!ingredients.placement) return {&ResidualProcess::placement_sd};
  return {};
}

/// Minus log of (evidence x priors).
class EvidenceCost : public ceres::FirstOrderFunction {
 public:
  EvidenceCost(std::vector<Series> series, const NetworkPrior& prior,
               const Ingredients& ingredients)
      : series_(std::move(series)), prior_(prior), ingredients_(ingredients) {}

  int NumParameters() const override { return kHyperParameters; }

  bool Evaluate(const double* logs, double* cost, double* gradient) const override {
    const ResidualProcess process = from_logs(logs);
    const std::vector<SolvedSeries> solved = solve_all(series_, process);
    const NetworkPosterior network = network_posterior(solved, series_, prior_);
    if (gradient != nullptr) std::fill_n(gradient, kHyperParameters, 0.0);
    *cost = hyper_prior_cost(logs, gradient) - network.log_evidence;
    for (size_t s = 0; gradient != nullptr && s < series_.size(); ++s) {
      add_gradient(series_[s], process, evidence_by_covariance(solved[s], network), gradient);
    }
    if (gradient != nullptr) hold_still(gradient);
    return std::isfinite(*cost);
  }

 private:
  /// What is left out stays where it started.
  void hold_still(double* gradient) const {
    for (const auto amplitude : absent_amplitudes(ingredients_))
      gradient[hyper_index(amplitude)] = 0;
  }

  static void add_gradient(const Series& series, const ResidualProcess& of_cluster,
                           const Eigen::MatrixXd& by_covariance, double* gradient) {
    const ResidualProcess process = amplified(of_cluster, series.amplitude);
    const auto add = [&](const WithGradient& k, double factor) {
      for (int h = 0; h < kHyperParameters; ++h) gradient[h] -= factor * k.by_log[h];
    };
    for (Eigen::Index i = 0; i < by_covariance.rows(); ++i) {
      add(noise_variance_gradient(process, series.at[i]), by_covariance(i, i));
      add(covariance_gradient(process, series.at[i], series.at[i]), by_covariance(i, i));
      for (Eigen::Index j = 0; j < i; ++j) {
        add(covariance_gradient(process, series.at[i], series.at[j]), 2 * by_covariance(i, j));
      }
    }
  }

  std::vector<Series> series_;
  const NetworkPrior& prior_;
  Ingredients ingredients_;
};

using HyperMatrix = Eigen::Matrix<double, kHyperParameters, kHyperParameters>;

/// Covariance of the logarithms around their likeliest, from central differences of the gradient. A
/// direction that the evidence does not bend down in is as wide as a prior, whose sd is at most 1.
HyperMatrix inverse_curvature(const EvidenceCost& cost,
                              const std::array<double, kHyperParameters>& at) {
  constexpr double kStep = 0.05;  // of a logarithm
  HyperMatrix curvature;
  double ignored = 0;
  for (int i = 0; i < kHyperParameters; ++i) {
    std::array<double, kHyperParameters> above = at, below = at, rising{}, falling{};
    above[i] += kStep;
    below[i] -= kStep;
    cost.Evaluate(above.data(), &ignored, rising.data());
    cost.Evaluate(below.data(), &ignored, falling.data());
    for (int j = 0; j < kHyperParameters; ++j)
      curvature(i, j) = (rising[j] - falling[j]) / (2 * kStep);
  }
  const HyperMatrix symmetric = 0.5 * (curvature + curvature.transpose());
  const Eigen::SelfAdjointEigenSolver<HyperMatrix> axes(symmetric);
  const Eigen::Vector<double, kHyperParameters> precision = axes.eigenvalues().cwiseMax(1.0);
  return axes.eigenvectors() * precision.cwiseInverse().asDiagonal() *
         axes.eigenvectors().transpose();
}

/// mixture_scale() of normals whose sd is log-normal around 1 with this sd in log.
double lognormal_scale(double log_sd) {
  // The middles of nine parts of a normal that are as probable as each other.
  constexpr std::array<double, 9> kMiddles = {-1.5932, -0.9674, -0.5895, -0.2822, 0,
                                              0.2822,  0.5895,  0.9674,  1.5932};
  std::vector<double> sds;
  for (const double middle : kMiddles) sds.push_back(std::exp(log_sd * middle));
  return mixture_scale(sds);
}

}  // namespace

ResidualProcess default_process(const Ingredients& ingredients) {
  constexpr double kNothing = 1e-6;
  ResidualProcess process = default_process();
  for (const auto amplitude : absent_amplitudes(ingredients)) process.*amplitude = kNothing;
  return process;
}

ResidualProcess fit_process(const std::vector<Series>& series, const NetworkPrior& prior,
                            const ResidualProcess& start, const Ingredients& ingredients) {
  auto logs = to_logs(start);
  const ceres::GradientProblem problem(new EvidenceCost(thinned(series), prior, ingredients));
  ceres::GradientProblemSolver::Options options;
  options.line_search_direction_type = ceres::LBFGS;
  options.max_num_iterations = 30;
  options.function_tolerance = 1e-5;
  options.logging_type = ceres::SILENT;
  ceres::GradientProblemSolver::Summary summary;
  ceres::Solve(options, problem, logs.data(), &summary);
  return summary.IsSolutionUsable() ? from_logs(logs.data()) : start;
}

ResidualProcess with_uncertain_amplitudes(const ResidualProcess& likeliest,
                                          const std::vector<Series>& series,
                                          const NetworkPrior& prior,
                                          const Ingredients& ingredients) {
  const EvidenceCost cost(thinned(series), prior, ingredients);
  const HyperMatrix variance = inverse_curvature(cost, to_logs(likeliest));
  ResidualProcess process = likeliest;
  for (const auto amplitude :
       {&ResidualProcess::compute_sd, &ResidualProcess::scale_sd, &ResidualProcess::placement_sd}) {
    const int i = hyper_index(amplitude);
    process.*amplitude *= lognormal_scale(std::sqrt(variance(i, i)));
  }
  return process;
}

}  // namespace forerun
