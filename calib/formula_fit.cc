#include "calib/formula_fit.h"

#include <ceres/ceres.h>

#include <cmath>

#include "model/error.h"

namespace forerun {
namespace {

constexpr double kRowSd =
    0.15;  // relative misfit of the formulas, as robust fits on public traces show
constexpr double kCountedRows = 30;
constexpr size_t kMostRows =
    60;  // a workload's; more add time, not information, to a dozen parameters
constexpr size_t kMostWorkloads = 500;  // that shape the network; the others then fit themselves

/// Of a time against what was observed. false where the formula has none.
template <class T>
bool log_residual(const T& time, double observed, double weight, T* residual) {
  using std::log;
  residual[0] = weight * (log(time) - std::log(observed));
  return ceres::isfinite(residual[0]);
}

struct StepResidual {
  const WorkloadTraits* traits;
  const FitPoint* point;
  double weight;

  template <class T>
  bool operator()(const T* network, const T* workload, T* residual) const {
    const auto time = step_time(make_step_model(network, workload, *traits), point->at).total();
    return log_residual(time.value(), point->step_time_s, weight, residual);
  }
};

struct WireResidual {
  const WorkloadEvidence* of;
  const WirePoint* point;
  double weight;

  template <class T>
  bool operator()(const T* network, const T* workload, T* residual) const {
    const auto time = counted_time_on_the_wire(make_step_model(network, workload, of->traits),
                                               Bytes<>(of->grad_bytes), point->at);
    return log_residual(time.value(), point->time_s, weight, residual);
  }
};

struct SweepResidual {
  const SweepEvidence* sweep;
  double weight;

  template <class T>
  bool operator()(const T* network, T* residual) const {
    const auto time = collective_time(make_network(network), sweep->collective,
                                      Bytes<T>(T(sweep->size_bytes)), sweep->placement);
    return log_residual(time.value(), sweep->time_s, weight, residual);
  }
};

template <int Size>
struct PriorResidual {
  Prior<Size> prior;

  template <class T>
  bool operator()(const T* parameters, T* residual) const {
    for (int i = 0; i < Size; ++i) residual[i] = (parameters[i] - prior.mean[i]) / prior.sd[i];
    return true;
  }
};

template <int Size>
void add_prior(ceres::Problem& problem, const Prior<Size>& prior, double* parameters) {
  problem.AddResidualBlock(new ceres::AutoDiffCostFunction<PriorResidual<Size>, Size, Size>(
                               new PriorResidual<Size>{prior}),
                           nullptr, parameters);
}

/// Weight of each of `rows` rows so that together they count as at most kCountedRows.
double row_weight(size_t rows) {
  return std::sqrt(std::min(1.0, kCountedRows / static_cast<double>(rows))) / kRowSd;
}

/// i-th of `count` indices spread evenly over `size`.
size_t spread_index(size_t i, size_t count, size_t size) { return i * size / count; }

/// Of the workloads `which`, with the network or in the one that is given.
ceres::Solver::Summary solve(const Evidence& evidence, const Priors& priors,
                             const std::vector<size_t>& which, bool network_given, Parameters& at) {
  ceres::Problem problem;
  for (const size_t w : which) {
    const WorkloadEvidence& workload = evidence.workloads[w];
    const size_t rows = std::min(workload.points.size(), kMostRows);
    for (size_t i = 0; i < rows; ++i) {
      const FitPoint& point = workload.points[spread_index(i, rows, workload.points.size())];
      problem.AddResidualBlock(
          new ceres::AutoDiffCostFunction<StepResidual, 1, kNetworkParameters, kWorkloadParameters>(
              new StepResidual{&workload.traits, &point, row_weight(rows)}),
          new ceres::SoftLOneLoss(1.0), at.network.data(), at.workloads[w].data());
    }
    for (const WirePoint& point : workload.wire) {
      problem.AddResidualBlock(
          new ceres::AutoDiffCostFunction<WireResidual, 1, kNetworkParameters, kWorkloadParameters>(
              new WireResidual{&workload, &point, row_weight(workload.wire.size())}),
          new ceres::SoftLOneLoss(1.0), at.network.data(), at.workloads[w].data());
    }
    add_prior(problem, priors.workloads[w], at.workloads[w].data());
  }
  if (network_given) {
    problem.SetParameterBlockConstant(at.network.data());
  } else {
    for (const SweepEvidence& sweep : evidence.sweeps) {
      problem.AddResidualBlock(
          new ceres::AutoDiffCostFunction<SweepResidual, 1, kNetworkParameters>(
              new SweepResidual{&sweep, row_weight(evidence.sweeps.size())}),
          new ceres::SoftLOneLoss(1.0), at.network.data());
    }
    add_prior(problem, priors.network, at.network.data());
  }

  ceres::Solver::Options options;
  options.linear_solver_type = ceres::SPARSE_NORMAL_CHOLESKY;
  options.max_num_iterations = 100;
  options.function_tolerance = 1e-7;
  options.num_threads = 1;
  options.logging_type = ceres::SILENT;
  ceres::Solver::Summary summary;
  ceres::Solve(options, &problem, &summary);
  return summary;
}

template <int Size>
Eigen::Matrix<double, Size, 1> mean_of(const Prior<Size>& prior) {
  return Eigen::Map<const Eigen::Matrix<double, Size, 1>>(prior.mean.data());
}

}  // namespace

FormulaFit fit_formulas(const Evidence& evidence, const Priors& priors) {
  const size_t workloads = evidence.workloads.size();
  const size_t shaping = std::min(workloads, kMostWorkloads);
  std::vector<size_t> together, alone;
  for (size_t w = 0; w < workloads; ++w) {
    const size_t next = together.size();
    const bool shapes = next < shaping && w == spread_index(next, shaping, workloads);
    (shapes ? together : alone).push_back(w);
  }
  FormulaFit best;
  for (const double overlap : {std::log(0.3), 0.0, std::log(3.0)}) {
    Parameters at{.network = mean_of(priors.network), .workloads = {}};
    for (const WorkloadPrior& prior : priors.workloads) {
      at.workloads.push_back(mean_of(prior));
      at.workloads.back()[kOverlap] = overlap;
    }
    const ceres::Solver::Summary summary = solve(evidence, priors, together, false, at);
    if (summary.IsSolutionUsable() && (best.report.empty() || summary.final_cost < best.cost)) {
      best = {at, summary.final_cost, summary.termination_type == ceres::CONVERGENCE,
              summary.BriefReport()};
    }
  }
  if (best.report.empty()) throw Error("the formulas have no value near any of these step times");
  for (const size_t w : alone) solve(evidence, priors, {w}, true, best.parameters);
  return best;
}

}  // namespace forerun
