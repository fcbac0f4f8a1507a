#include "calib/held_out.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "calib/naive.h"
#include "model/statistics.h"

namespace forerun {
namespace {

/// Configurations in order, each once, as far as the model tells them apart.
std::vector<Configuration> distinct(const std::vector<Observation>& rows) {
  std::set<Configuration> out;
  for (const Observation& row : rows) {
    Configuration at = row.at;
    at.placement = Placement::even(at.placement.nodes(), at.placement.world_size());
    out.insert(at);
  }
  return {out.begin(), out.end()};
}

template <class IsTest>
Split split_where(const std::vector<Observation>& rows, std::string description, IsTest is_test) {
  Split split{.description = std::move(description), .fit = {}, .test = {}};
  for (const Observation& row : rows) (is_test(row) ? split.test : split.fit).push_back(row);
  return split;
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
  const std::vector<Configuration> configurations = distinct(rows);
  std::set<int> scales;
  for (const Configuration& at : configurations) scales.insert(at.world_size());
  if (scales.size() >= 3) {
    const int largest = *scales.rbegin();
    return split_where(rows,
                       "the largest measured scale (" + std::to_string(largest) +
                           " GPUs), left out of a second fit",
                       [&](const Observation& row) { return row.at.world_size() == largest; });
  }
  // By model, the local batches of the largest scale in order: every third one is left out, never
  // the outermost.
  std::map<std::string, std::set<Configuration>> left_out;
  std::map<std::string, std::vector<Configuration>> of_model;
  for (const Observation& row : rows) {
    if (row.at.world_size() == *scales.rbegin())
      of_model[row.model].push_back(distinct({row}).front());
  }
  for (auto& [model, list] : of_model) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    for (size_t i = 1; i + 1 < list.size(); i += 3) left_out[model].insert(list[i]);
  }
  return split_where(rows, "every third local batch of the largest scale, left out of a second fit",
                     [&](const Observation& row) {
                       return left_out[row.model].contains(distinct({row}).front());
                     });
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
  std::vector<Configuration> at;
  for (const FitPoint& p : held_out) at.push_back(p.at);
  const std::vector<Prediction> predictions = predictor.predict(model_of(name, at.front()), at);
  std::vector<Comparison> model;
  int refused = 0;
  std::map<std::string, std::vector<Comparison>> baselines;
  for (size_t i = 0; i < held_out.size(); ++i) {
    const double observed = held_out[i].step_time_s;
    const Prediction& p = predictions[i];
    if (!p.refused.empty()) {
      if (refused++ == 0) check.first_refusal = p.refused;
      continue;
    }
    model.push_back({at[i], observed, p.step_time.value(), p.low.value(), p.high.value()});
    for (const std::string& baseline : NaivePredictor::names()) {
      baselines[baseline].push_back({at[i], observed, naive.predict(baseline, at[i])});
    }
  }
  check.model = summarize(model);
  check.model.regret = regret(model);
  check.model.refused = refused;
  for (const std::string& baseline : NaivePredictor::names()) {
    check.naive[baseline] = summarize(baselines[baseline]);
    check.naive[baseline].regret = regret(baselines[baseline]);
  }
  return check;
}

}  // namespace forerun
