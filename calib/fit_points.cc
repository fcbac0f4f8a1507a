#include "calib/fit_points.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "calib/block_variance.h"
#include "model/statistics.h"

namespace forerun {
namespace {

/// Variance of ln x where x varies by a relative standard deviation.
double log_variance(double relative_sd) { return std::log1p(relative_sd * relative_sd); }

/// What was seen of one configuration, in one run of `steps` steps.
struct Seen {
  double log_time = 0;
  double steps = 0;
  double variance_sum = 0;  ///< over steps, of one of them; 0 where it was not measured
};

/// Equal rows are one run in parts. Sorted, so that the order of rows does not change the last bit
/// of a sum.
std::vector<Seen> runs_of(const Rows& rows) {
  std::map<double, std::vector<std::pair<double, double>>> by_time;
  for (const Observation* row : rows) {
    const double variance = log_variance(row->stddev_s.value_or(0) / row->step_time_s);
    by_time[row->step_time_s].emplace_back(row->steps, variance);
  }
  std::vector<Seen> runs;
  for (auto& [time, parts] : by_time) {
    std::ranges::sort(parts);
    Seen run{.log_time = std::log(time)};
    for (const auto& [steps, variance] : parts) {
      run.steps += steps;
      run.variance_sum += steps * variance;
    }
    runs.push_back(run);
  }
  return runs;
}

/// Without runs that are far off the middle of three or more.
void drop_outliers(std::vector<Seen>& runs) {
  constexpr double kLeastLimit = 0.25, kDeviations = 6 * 1.4826;
  if (runs.size() < 3) return;
  std::vector<double> logs, distances;
  for (const Seen& run : runs) logs.push_back(run.log_time);
  const double middle = median(logs);
  for (const double log : logs) distances.push_back(std::fabs(log - middle));
  const double limit = std::max(kLeastLimit, kDeviations * median(distances));
  std::erase_if(runs, [&](const Seen& run) { return std::fabs(run.log_time - middle) > limit; });
}

/// Mean of the rows of one configuration, in log, and how far they are from each other.
struct Mean {
  FitPoint point;
  std::optional<double> between;  ///< variance of ln(one run's time), of two runs or more
};
Mean mean_of(const Configuration& at, const Rows& rows) {
  std::vector<Seen> runs = runs_of(rows);
  drop_outliers(runs);
  double steps = 0, log_sum = 0, within = 0;
  for (const Seen& run : runs) {
    steps += run.steps;
    log_sum += run.steps * run.log_time;
    within += run.variance_sum;
  }
  const double mean = log_sum / steps;
  within /= steps * steps;
  double squares = 0, weighted_squares = 0;
  for (const Seen& run : runs) {
    const double squared = (run.log_time - mean) * (run.log_time - mean);
    squares += squared;
    weighted_squares += run.steps * run.steps * squared / (steps * steps);
  }
  const auto n = static_cast<double>(runs.size());
  const int count = static_cast<int>(runs.size());
  if (n < 2) return {{at, std::exp(mean), within, count}, std::nullopt};
  // Of a weighted mean: what its members' distances say, or what their own steps do.
  const double between = weighted_squares * n / (n - 1);
  return {{at, std::exp(mean), std::max(within, between), count}, squares / (n - 1)};
}

}  // namespace

Configuration canonical(Configuration at) {
  at.placement = Placement::even(at.placement.nodes(), at.placement.world_size());
  if (at.strategy == "serial") at.strategy = "ddp";  // one rank: the same thing
  return at;
}

Rows distinct_runs(const Rows& rows) {
  const auto all_but_steps = [](const Observation& o) {
    return std::tuple(o.at, o.step_time_s, o.stddev_s, o.exposed_comm_s, o.backward_s,
                      o.optimizer_s, o.grad_bytes);
  };
  std::map<decltype(all_but_steps(*rows.front())), const Observation*> once;
  for (const Observation* row : rows) once.emplace(all_but_steps(*row), row);
  Rows runs;
  for (const auto& [key, row] : once) runs.push_back(row);
  return runs;
}

FitPoints fit_points(const Rows& rows) {
  std::map<Configuration, Rows> by_configuration;
  for (const Observation* row : rows) by_configuration[canonical(row->at)].push_back(row);
  FitPoints out;
  std::vector<double> between, of_a_mean;
  for (const auto& [at, same] : by_configuration) {
    const Mean mean = mean_of(at, same);
    out.points.push_back(mean.point);
    if (mean.between) between.push_back(*mean.between);
  }
  const Rows runs = distinct_runs(rows);
  for (const Observation* run : runs) {
    if (!run->stddev_s) continue;
    of_a_mean.push_back(log_variance(*run->stddev_s / run->step_time_s) / kStepsOfAMean);
  }
  if (!of_a_mean.empty()) out.repeat_variance = median(of_a_mean);
  // Where most configurations were run again, that says how far a next run may be.
  if (2 * between.size() >= out.points.size()) {
    out.repeat_variance = std::max(out.repeat_variance, median(between));
  }
  return out;
}

void add_own_shares(const Rows& rows, std::vector<FitPoint>& points) {
  constexpr double kOwnShareSd = 0.08;  // on a public cluster, of six workloads
  const auto alone = [](Configuration at) {
    at.placement = Placement({1});
    return canonical(at);
  };
  std::set<Configuration> measured;
  for (const FitPoint& p : points) {
    if (p.at.world_size() == 1) measured.insert(p.at);
  }
  std::map<Configuration, std::vector<double>> own;
  for (const Observation* run : distinct_runs(rows)) {
    const double left = run->step_time_s - run->exposed_comm_s.value_or(INFINITY);
    if (left > 0 && !measured.contains(alone(run->at))) own[alone(run->at)].push_back(left);
  }
  for (auto& [at, times] : own) {
    points.push_back({at, median(std::move(times)), kOwnShareSd * kOwnShareSd, 0});
  }
  std::ranges::sort(points, {}, &FitPoint::at);
}

}  // namespace forerun
