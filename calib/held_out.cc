#include "calib/held_out.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "calib/naive.h"
#include "model/statistics.h"

namespace forerun {
namespace {

template <class IsTest>
Split split_where(const std::vector<Observation>& rows, std::string description, IsTest is_test) {
  Split split{.description = std::move(description), .fit = {}, .test = {}};
  for (const Observation& row : rows) (is_test(row) ? split.test : split.fit).push_back(row);
  return split;
}

bool between_nodes(const Observation& row) { return row.at.placement.nodes() > 1; }

/// The largest world size, if two smaller ones remain that tell of the same levels of the network;
/// otherwise 0.
int scale_to_leave_out(const Rows& cluster) {
  std::set<int> scales;
  for (const Observation* row : cluster) scales.insert(row->at.world_size());
  if (scales.size() < 3) return 0;
  const int largest = *scales.rbegin();
  bool needed = false, left = false;
  for (const Observation* row : cluster) {
    (row->at.world_size() == largest ? needed : left) |= between_nodes(*row);
  }
  return needed && !left ? 0 : largest;
}

/// By workload, the local batches of the largest scale in order: every third one, never the
/// outermost.
std::map<std::string, std::set<Configuration>> batches_to_leave_out(const Rows& cluster) {
  int largest = 0;
  for (const Observation* row : cluster) largest = std::max(largest, row->at.world_size());
  std::map<std::string, std::set<Configuration>> of_model, left_out;
  for (const Observation* row : cluster) {
    if (row->at.world_size() == largest) of_model[row->model].insert(canonical(row->at));
  }
  for (const auto& [model, configurations] : of_model) {
    const std::vector<Configuration> list(configurations.begin(), configurations.end());
    for (size_t i = 1; i + 1 < list.size(); i += 3) left_out[model].insert(list[i]);
  }
  return left_out;
}

double throughput(const Comparison& c, double time_s) {
  return static_cast<double>(c.at.global_batch()) / time_s;
}

/// Interval score of Gneiting & Raftery (2007), equation 43, in log time: width, plus 2/alpha times
/// the miss, alpha = 10 %.
double interval_score(const Comparison& c) {
  const double low = std::log(c.low_s), high = std::log(c.high_s), seen = std::log(c.observed_s);
  return high - low + 20 * (std::max(0.0, low - seen) + std::max(0.0, seen - high));
}

/// The miss over the half of the interval on its side, in log.
double miss_over_claim(const Comparison& c) {
  constexpr double kLeastClaim = 1e-3;  // of a point at the edge of its interval
  const double edge = c.observed_s > c.predicted_s ? c.high_s : c.low_s;
  return std::fabs(std::log(c.observed_s / c.predicted_s)) /
         std::max(kLeastClaim, std::fabs(std::log(edge / c.predicted_s)));
}

/// Points with what was predicted of them, by whom.
struct Compared {
  std::vector<Comparison> model, formulas;
  std::map<std::string, std::vector<Comparison>> baselines;
  int refused = 0;
  std::string first_refusal;
};

Compared compare(const Predictor& predictor, const NaivePredictor& naive, const std::string& name,
                 const std::vector<FitPoint>& points) {
  std::vector<Configuration> at;
  for (const FitPoint& p : points) at.push_back(p.at);
  const std::vector<Prediction> predictions = predictor.predict(model_of(name, at.front()), at);
  Compared out;
  for (size_t i = 0; i < points.size(); ++i) {
    const double observed = points[i].step_time_s;
    const Prediction& p = predictions[i];
    if (!p.refused.empty()) {
      if (out.refused++ == 0) out.first_refusal = p.refused;
      continue;
    }
    out.model.push_back({at[i], observed, p.step_time.value(), p.low.value(), p.high.value()});
    out.formulas.push_back({at[i], observed, p.formula.value()});
    for (const std::string& baseline : NaivePredictor::names()) {
      out.baselines[baseline].push_back({at[i], observed, naive.predict(baseline, at[i])});
    }
  }
  return out;
}

std::vector<Comparison> joined(std::vector<Comparison> some, const std::vector<Comparison>& more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

}  // namespace

HeldOut summarize(const std::vector<Comparison>& comparisons) {
  HeldOut out;
  if (comparisons.empty()) return out;
  std::vector<double> errors, misses;
  const auto n = static_cast<double>(comparisons.size());
  for (const Comparison& c : comparisons) {
    errors.push_back(std::fabs(c.predicted_s / c.observed_s - 1));
    out.bias += std::log(c.predicted_s / c.observed_s) / n;
    if (c.high_s > 0) {
      out.coverage_90 += (c.low_s <= c.observed_s && c.observed_s <= c.high_s ? 1 : 0) / n;
      out.log_width_90 += std::log(c.high_s / c.low_s) / n;
      out.interval_score += interval_score(c) / n;
      misses.push_back(miss_over_claim(c));
    }
  }
  out.points = static_cast<int>(comparisons.size());
  if (!misses.empty()) out.miss_90 = quantile(misses, 0.9);
  out.ape_median = median(errors);
  out.ape_p90 = quantile(errors, 0.9);
  out.ape_max = *std::max_element(errors.begin(), errors.end());
  return out;
}

double regret(const std::vector<Comparison>& comparisons) {
  int largest = 0;
  for (const Comparison& c : comparisons) largest = std::max(largest, c.at.world_size());
  double lost = 0;
  int budgets = 0;
  for (int budget = 2; budget < 2 * largest; budget *= 2) {
    const Comparison* chosen = nullptr;
    double best = 0;
    for (const Comparison& c : comparisons) {
      if (c.at.world_size() > budget) continue;
      best = std::max(best, throughput(c, c.observed_s));
      if (chosen == nullptr ||
          throughput(c, c.predicted_s) > throughput(*chosen, chosen->predicted_s))
        chosen = &c;
    }
    if (chosen == nullptr) continue;
    lost += 1 - throughput(*chosen, chosen->observed_s) / best;
    ++budgets;
  }
  return budgets == 0 ? 0 : lost / budgets;
}

Split split_inside(const std::vector<Observation>& rows) {
  std::map<std::string, Rows> clusters;
  for (const Observation& row : rows) clusters[row.cluster].push_back(&row);
  std::set<const Observation*> left_out;
  std::set<std::string> how;
  for (const auto& [name, cluster] : clusters) {
    if (const int largest = scale_to_leave_out(cluster)) {
      how.insert("the largest measured scale (" + std::to_string(largest) + " GPUs)");
      for (const Observation* row : cluster) {
        if (row->at.world_size() == largest) left_out.insert(row);
      }
      continue;
    }
    how.insert("every third local batch of the largest scale");
    auto batches = batches_to_leave_out(cluster);
    for (const Observation* row : cluster) {
      if (batches[row->model].contains(canonical(row->at))) left_out.insert(row);
    }
  }
  std::string description;
  for (const std::string& way : how) description += (description.empty() ? "" : ", or ") + way;
  return split_where(rows, description + ", left out of a second fit",
                     [&](const Observation& row) { return left_out.contains(&row); });
}

Split split_by_role(const std::vector<Observation>& rows) {
  const bool has_test =
      std::any_of(rows.begin(), rows.end(), [](const Observation& o) { return o.role == "test"; });
  if (!has_test) return split_inside(rows);
  return split_where(rows, "the rows with role test",
                     [](const Observation& row) { return row.role == "test"; });
}

WorkloadCheck check_workload(const Predictor& predictor, const std::string& name,
                             const std::vector<FitPoint>& fitted,
                             const std::vector<FitPoint>& held_out) {
  WorkloadCheck check;
  if (held_out.empty()) return check;
  const NaivePredictor naive(fitted);
  Compared compared = compare(predictor, naive, name, held_out);
  check.model = summarize(compared.model);
  check.model.refused = compared.refused;
  check.first_refusal = compared.first_refusal;
  check.formulas = summarize(compared.formulas);
  for (const std::string& baseline : NaivePredictor::names()) {
    check.naive[baseline] = summarize(compared.baselines[baseline]);
  }
  if (compared.model.empty()) return check;
  // Whoever chooses a configuration may choose one that was measured: by what is predicted of it,
  // or, without a model, by what was measured.
  check.model.regret =
      regret(joined(compared.model, compare(predictor, naive, name, fitted).model));
  std::vector<Comparison> measured;
  for (const FitPoint& p : fitted) measured.push_back({p.at, p.step_time_s, p.step_time_s});
  for (const std::string& baseline : NaivePredictor::names()) {
    check.naive[baseline].regret = regret(joined(compared.baselines[baseline], measured));
  }
  return check;
}

std::map<std::string, std::vector<FitPoint>> points_by_workload(
    const std::vector<Observation>& rows, const Calibration& calibration) {
  std::map<const NetworkCalibration*, std::vector<Observation>> by_network;
  for (const Observation& row : rows)
    by_network[calibration.network_of(row.cluster)].push_back(row);
  by_network.erase(nullptr);
  std::map<std::string, std::vector<FitPoint>> out;
  const bool several = calibration.networks.size() > 1;
  for (const auto& [network, of_network] : by_network) {
    for (WorkloadEvidence& w : gather_evidence(of_network).workloads) {
      out[cluster_prefix(network->cluster, several, ':') + w.traits.name] = std::move(w.points);
    }
  }
  return out;
}

std::map<std::string, WorkloadCheck> check_workloads(const Calibration& fitted,
                                                     const Split& split) {
  const auto fit_points = points_by_workload(split.fit, fitted);
  const auto test_points = points_by_workload(split.test, fitted);
  const Predictor predictor(fitted);
  std::map<std::string, WorkloadCheck> out;
  for (const WorkloadCalibration& w : fitted.workloads) {
    const auto held_out = test_points.find(w.name);
    if (held_out == test_points.end()) continue;
    out[w.name] = check_workload(predictor, w.name, fit_points.at(w.name), held_out->second);
  }
  return out;
}

}  // namespace forerun
