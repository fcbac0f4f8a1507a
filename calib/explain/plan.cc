#include "calib/explain/plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "calib/explain/joint_posterior.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr double kSteps = 30;        // of one measurement
constexpr double kStart_s = 10;      // to start the ranks and warm up, whatever the step time
constexpr size_t kMostSteps = 6;     // of a plan
constexpr double kLeastGain = 0.01;  // of the mean variance: less is not worth a line
constexpr size_t kMostWorkloads = 12;

double half_width(double variance) { return std::expm1(kNormal90 * std::sqrt(variance)); }

/// What one workload brings: targets first, then candidates.
struct Asked {
  const WorkloadCalibration* workload = nullptr;
  std::vector<Configuration> at;
  size_t targets = 0;
};

/// The sizes of the cluster that matter here.
struct Limits {
  int gpus, nodes, per_node;  ///< most that is asked for
};

Limits limits_of(const Calibration& calibration, const NetworkCalibration& network) {
  Limits out{2 * network.max_gpus, 2 * network.max_nodes, network.max_gpus_per_node};
  // One node only was measured: the next step may be more of it, or a second one.
  if (network.max_nodes == 1) out.per_node *= 2;
  if (calibration.max_ranks > 0) {
    out.gpus = std::min(out.gpus, std::max(calibration.max_ranks, network.max_gpus));
    out.nodes = network.max_nodes;
  }
  return out;
}

/// 1, 2, 3, 4, 6, 8, 12, 16, ... up to `most`, and `most` itself.
std::vector<int> sizes_up_to(int most) {
  std::set<int> out = {1, most};
  for (int power = 2; power <= most; power *= 2) {
    out.insert(power);
    if (power + power / 2 <= most) out.insert(power + power / 2);
  }
  return {out.begin(), out.end()};
}

std::vector<Placement> candidate_placements(const Limits& limits) {
  std::vector<Placement> out;
  for (const int nodes : sizes_up_to(limits.nodes)) {
    for (const int per_node : sizes_up_to(limits.per_node)) {
      if (nodes * per_node <= limits.gpus) out.push_back(Placement::even(nodes, nodes * per_node));
    }
  }
  return out;
}

std::vector<Placement> target_placements(const Limits& limits, const NetworkCalibration& network) {
  std::vector<Placement> out;
  for (int gpus = 1; gpus <= limits.gpus; gpus *= 2) {
    const int per_node = network.max_gpus_per_node;
    const int nodes = std::min((gpus + per_node - 1) / per_node, limits.nodes);
    out.push_back(Placement::even(nodes, gpus));
  }
  return out;
}

/// Smallest, middle, largest local batch that was measured.
std::vector<int> typical_batches(const WorkloadCalibration& w) {
  const std::vector<int>& all = w.batches_measured;
  const std::set<int> out = {all.front(), all[all.size() / 2], all.back()};
  return {out.begin(), out.end()};
}

bool fits(const Calibration& calibration, const WorkloadCalibration& w, int local_batch) {
  if (!w.memory || calibration.memory_per_rank_bytes <= 0) return true;
  return w.memory->peak(Samples<>(local_batch)).value() <= calibration.memory_per_rank_bytes;
}

Asked questions_about(const Calibration& calibration, const WorkloadCalibration& w) {
  const NetworkCalibration& network = calibration.networks[w.network];
  const Limits limits = limits_of(calibration, network);
  Asked out{.workload = &w, .at = {}, .targets = 0};
  const auto ask = [&](const Placement& placement, int batch) {
    Configuration at = w.points.front().at;
    at.placement = placement;
    at.local_batch = batch;
    at.accumulation = 1;
    out.at.push_back(at);
  };
  const std::vector<int> batches = typical_batches(w);
  for (const Placement& p : target_placements(limits, network)) {
    for (const int batch : batches) ask(p, batch);
  }
  out.targets = out.at.size();
  std::set<Configuration> measured;
  for (const FittedPoint& p : w.points) measured.insert(p.at);
  std::vector<int> candidates = batches;
  if (fits(calibration, w, 2 * batches.back())) candidates.push_back(2 * batches.back());
  for (const Placement& p : candidate_placements(limits)) {
    for (const int batch : candidates) {
      ask(p, batch);
      if (measured.contains(out.at.back())) out.at.pop_back();
    }
  }
  return out;
}

/// The joint covariance of everything asked, under one hypothesis; measurements condition it.
struct Belief {
  double weight = 1;
  Eigen::MatrixXd covariance;  // [all x all]
  Eigen::VectorXd noise;       // [all]
};

Belief belief_of(const Calibration& calibration, const std::vector<Asked>& asked, size_t hypothesis,
                 std::vector<double>& formula_s) {
  std::vector<JointPosterior> parts;
  Eigen::Index total = 0;
  NetworkMatrix network_covariance = NetworkMatrix::Zero();
  for (const Asked& a : asked) {
    const ConditionedSeries given = condition(calibration, *a.workload, hypothesis);
    network_covariance = given.network_covariance;
    parts.push_back(joint_posterior(given, a.at));
    total += parts.back().own.rows();
  }
  Eigen::MatrixXd by_network(total, kNetworkParameters);
  Belief out;
  out.noise.resize(total);
  formula_s.clear();
  Eigen::Index first = 0;
  for (const JointPosterior& part : parts) {
    by_network.middleRows(first, part.own.rows()) = part.by_network;
    out.noise.segment(first, part.own.rows()) = part.noise;
    formula_s.insert(formula_s.end(), part.formula_s.begin(), part.formula_s.end());
    first += part.own.rows();
  }
  out.covariance = by_network * network_covariance * by_network.transpose();
  first = 0;
  for (const JointPosterior& part : parts) {
    const Eigen::Index m = part.own.rows();
    out.covariance.block(first, first, m, m) += part.own;
    first += m;
  }
  return out;
}

/// Everything asked of a cluster, and what measuring does to it.
class Planner {
 public:
  Planner(const Predictor& predictor, std::vector<Asked> asked) : asked_(std::move(asked)) {
    const Calibration& calibration = predictor.calibration();
    const NetworkCalibration& network = calibration.networks[asked_.front().workload->network];
    for (size_t h = 0; h < network.hypotheses.size(); ++h) {
      std::vector<double> formula_s;
      beliefs_.push_back(belief_of(calibration, asked_, h, formula_s));
      beliefs_.back().weight = network.hypotheses[h].weight;
      if (h == 0) formula_s_ = std::move(formula_s);
    }
    Eigen::Index row = 0;
    for (const Asked& a : asked_) {
      for (size_t i = 0; i < a.at.size(); ++i, ++row) {
        (i < a.targets ? targets_ : candidates_).push_back(row);
        where_.push_back({&a, i});
      }
    }
    widen(predictor);
  }

  const Configuration& at(Eigen::Index row) const {
    return where_[row].asked->at[where_[row].index];
  }
  const WorkloadCalibration& workload(Eigen::Index row) const {
    return *where_[row].asked->workload;
  }
  const std::vector<Eigen::Index>& targets() const { return targets_; }

  /// Of the prediction at a target: the mean's variance and that of 16 steps, as wide as intervals
  /// there are made.
  double variance(Eigen::Index target) const {
    double sum = 0;
    for (const Belief& b : beliefs_) {
      sum += b.weight * (b.covariance(target, target) + b.noise[target]);
    }
    return widening_[target] * std::max(sum, 0.0);
  }
  double mean_variance() const {
    double sum = 0;
    for (const Eigen::Index t : targets_) sum += variance(t);
    return sum / static_cast<double>(targets_.size());
  }
  double mean_half_width() const {
    double sum = 0;
    for (const Eigen::Index t : targets_) sum += half_width(variance(t));
    return sum / static_cast<double>(targets_.size());
  }

  double gpu_seconds(Eigen::Index row) const {
    return at(row).world_size() * (kStart_s + kSteps * formula_s_[row]);
  }

  /// How much of the targets' mean variance measuring at `row` removes.
  double gain(Eigen::Index row) const {
    double sum = 0;
    for (const Belief& b : beliefs_) {
      const double seen = b.covariance(row, row) + b.noise[row];
      double removed = 0;
      for (const Eigen::Index t : targets_) {
        removed += widening_[t] * std::pow(b.covariance(t, row), 2);
      }
      sum += b.weight * removed / seen;
    }
    return sum / static_cast<double>(targets_.size());
  }

  /// The candidate that removes most a GPU-second, of those that remove enough; -1: none.
  Eigen::Index best() const {
    const double least = kLeastGain * mean_variance();
    Eigen::Index best = -1;
    double best_rate = 0;
    for (const Eigen::Index c : candidates_) {
      const double g = gain(c);
      if (g < least || g / gpu_seconds(c) <= best_rate) continue;
      best = c;
      best_rate = g / gpu_seconds(c);
    }
    return best;
  }

  void measure(Eigen::Index row) {
    for (Belief& b : beliefs_) {
      const Eigen::VectorXd with = b.covariance.col(row);
      b.covariance -= with * with.transpose() / (with[row] + b.noise[row]);
    }
    std::erase(candidates_, row);
  }

 private:
  struct Where {
    const Asked* asked;
    size_t index;
  };

  /// Intervals allow for more than the belief: what a second fit missed, worlds beyond the
  /// measured, hypotheses that differ. What measuring removes of the belief it is taken to remove
  /// of these.
  void widen(const Predictor& predictor) {
    widening_.assign(where_.size(), 1);
    Eigen::Index row = 0;
    for (const Asked& a : asked_) {
      const std::vector<Configuration> targets(a.at.begin(), a.at.begin() + a.targets);
      const std::vector<Prediction> predicted = predictor.predict(a.workload->name, targets);
      for (size_t i = 0; i < predicted.size(); ++i) {
        const double believed = variance(row + static_cast<Eigen::Index>(i));
        if (!predicted[i].refused.empty() || !(believed > 0)) continue;
        const double sd = std::log(predicted[i].high / predicted[i].low) / (2 * kNormal90);
        widening_[row + i] = sd * sd / believed;
      }
      row += static_cast<Eigen::Index>(a.at.size());
    }
  }

  std::vector<Asked> asked_;
  std::vector<Belief> beliefs_;
  std::vector<double> formula_s_;
  std::vector<double> widening_;  ///< of variances; 1 where nothing is predicted
  std::vector<Eigen::Index> targets_, candidates_;
  std::vector<Where> where_;
};

/// The workloads whose targets are least certain, in the calibration's order.
std::vector<Asked> least_certain(const Predictor& predictor, int network) {
  const Calibration& calibration = predictor.calibration();
  std::vector<std::pair<double, Asked>> all;
  for (const WorkloadCalibration& w : calibration.workloads) {
    if (w.network != network) continue;
    Asked asked = questions_about(calibration, w);
    Asked targets = asked;
    targets.at.resize(targets.targets);
    all.emplace_back(-Planner(predictor, {std::move(targets)}).mean_variance(), std::move(asked));
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (all.size() > kMostWorkloads) all.resize(kMostWorkloads);
  std::vector<Asked> out;
  for (auto& [key, asked] : all) out.push_back(std::move(asked));
  std::sort(out.begin(), out.end(),
            [](const Asked& a, const Asked& b) { return a.workload->name < b.workload->name; });
  return out;
}

/// Each workload's mean half-width at each target world size.
std::vector<Uncertainty> uncertainty_of(const Planner& planner) {
  std::map<std::pair<std::string, int>, std::pair<double, int>> sums;
  for (const Eigen::Index t : planner.targets()) {
    auto& [sum, count] = sums[{planner.workload(t).name, planner.at(t).world_size()}];
    sum += half_width(planner.variance(t));
    ++count;
  }
  std::vector<Uncertainty> out;
  for (const auto& [key, sum] : sums) {
    out.push_back({key.first, key.second, sum.first / sum.second, 0});
  }
  return out;
}

std::string targets_in_words(const Calibration& calibration, const NetworkCalibration& network,
                             size_t asked) {
  const size_t of = static_cast<size_t>(
      std::count_if(calibration.workloads.begin(), calibration.workloads.end(),
                    [&](const auto& w) { return &calibration.networks[w.network] == &network; }));
  int most = 1;
  while (2 * most <= limits_of(calibration, network).gpus) most *= 2;
  const std::string workloads =
      of == 1 ? "the workload"
              : (asked < of ? "the " + std::to_string(asked) + " least certain of " +
                                  std::to_string(of) + " workloads"
                            : "all " + std::to_string(of) + " workloads");
  return workloads + ", 1 to " + std::to_string(most) +
         (most == 1 ? " GPU" : " GPUs in doublings on as few nodes as they fit") +
         ", the smallest, middle and largest batch";
}

}  // namespace

std::string measure_command(const std::string& workload, const Configuration& at) {
  return "measure --model " + model_of(workload, at) + " --world-sizes " +
         std::to_string(at.world_size()) + " --local-batch " + std::to_string(at.local_batch) +
         measure_options(at);
}

MeasurementPlan plan_measurements(const Predictor& predictor, int network) {
  const Calibration& calibration = predictor.calibration();
  const NetworkCalibration& cluster = calibration.networks[network];
  std::vector<Asked> asked = least_certain(predictor, network);
  MeasurementPlan plan;
  plan.targets = targets_in_words(calibration, cluster, asked.size());
  Planner planner(predictor, std::move(asked));
  plan.half_width_90 = planner.mean_half_width();
  plan.uncertainty = uncertainty_of(planner);
  const double before = planner.mean_variance();
  while (plan.steps.size() < kMostSteps) {
    const Eigen::Index next = planner.best();
    if (next < 0) break;
    MeasurementValue step{.workload = planner.workload(next).name, .at = planner.at(next)};
    step.gpu_seconds = planner.gpu_seconds(next);
    step.variance_removed = planner.gain(next) / before;
    planner.measure(next);
    step.half_width_90 = planner.mean_half_width();
    step.command = measure_command(without_cluster(step.workload, cluster), step.at);
    plan.steps.push_back(std::move(step));
  }
  const std::vector<Uncertainty> after = uncertainty_of(planner);
  for (size_t i = 0; i < after.size(); ++i) plan.uncertainty[i].after = after[i].now;
  return plan;
}

}  // namespace forerun
