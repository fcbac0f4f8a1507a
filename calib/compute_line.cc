#include "calib/compute_line.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <map>

#include "model/statistics.h"

namespace forerun {
namespace {

/// By local batch.
using Times = std::map<double, double>;

/// The fastest micro-step at each local batch, of `least` to `most` ranks.
Times fastest_by_batch(const std::vector<FitPoint>& points, int least, int most = INT_MAX) {
  Times fastest;
  for (const FitPoint& p : points) {
    if (p.at.world_size() < least || p.at.world_size() > most) continue;
    const double micro_step = p.step_time_s / p.at.accumulation;
    const auto [at, inserted] = fastest.emplace(p.at.local_batch, micro_step);
    if (!inserted) at->second = std::min(at->second, micro_step);
  }
  return fastest;
}

/// How far, in log, a time lies outside of what another batch leaves it: more samples take at least
/// as long, and no longer a sample.
double outside(const Times::value_type& time, const Times::value_type& other) {
  const double same = std::log(time.second / other.second);
  const double proportional = same - std::log(time.first / other.first);
  const double above = std::max(same, proportional), below = std::min(same, proportional);
  return below > 0 ? below : above < 0 ? above : 0;
}

/// What its neighbours expect of a batch: log-log between the two of them; next to one the nearest
/// that this leaves it.
double expected(const Times& times, Times::const_iterator at) {
  const auto next = std::next(at);
  if (at != times.begin() && next != times.end()) {
    const auto before = std::prev(at);
    const double u = std::log(at->first / before->first) / std::log(next->first / before->first);
    return std::exp((1 - u) * std::log(before->second) + u * std::log(next->second));
  }
  const auto neighbour = next == times.end() ? std::prev(at) : next;
  return at->second * std::exp(-outside(*at, *neighbour));
}

/// By how much more, in log, the other scales' steps at this batch are off if one rank takes its
/// time than if it takes `expected_s`: medians, with the communication that they show at other
/// batches. 0 where they say nothing.
double denied_by_scales(const Times& times, const std::vector<FitPoint>& points, double batch,
                        double expected_s) {
  struct Seen {
    std::vector<double> steps, communication;
  };
  std::map<std::pair<int, int>, Seen> scales;
  for (const FitPoint& p : points) {
    const auto alone = times.find(p.at.local_batch);
    if (p.at.world_size() == 1 || p.at.accumulation != 1 || alone == times.end()) continue;
    Seen& seen = scales[{p.at.placement.nodes(), p.at.world_size()}];
    if (p.at.local_batch == batch) {
      seen.steps.push_back(p.step_time_s);
    } else {
      seen.communication.push_back(std::max(0.0, p.step_time_s - alone->second));
    }
  }
  std::vector<double> denied;
  for (const auto& [scale, seen] : scales) {
    if (seen.steps.empty() || seen.communication.empty()) continue;
    const double step = median(seen.steps), communication = median(seen.communication);
    const auto off = [&](double alone_s) {
      return std::fabs(std::log(step / (alone_s + communication)));
    };
    denied.push_back(off(times.at(batch)) - off(expected_s));
  }
  return denied.empty() ? 0 : median(std::move(denied));
}

/// Of a batch: one rank took longer than several did, communication and all.
bool slower_than_several(const Times::value_type& time, const Times& several) {
  constexpr double kSlower = 1.2;
  const auto same = several.find(time.first);
  return same != several.end() && time.second > kSlower * same->second;
}

/// Without batches where one rank was slower than several, if those are the fewer.
Times without_slower(Times times, const Times& several) {
  const auto slower = [&](const auto& time) { return slower_than_several(time, several); };
  if (2 * std::ranges::count_if(times, slower) < std::ssize(times)) std::erase_if(times, slower);
  return times;
}

/// Without times that no neighbour leaves room for: one slip must not decide what every scale is
/// predicted from. Between two batches the scales may vouch for it; beside one only they can tell
/// which of the two has slipped.
Times without_slips(const Times& times, const std::vector<FitPoint>& points) {
  constexpr double kSlip = 0.3;    // ln 1.35
  constexpr double kDenied = 0.1;  // clearly
  Times kept;
  for (auto at = times.begin(); at != times.end(); ++at) {
    std::vector<double> misses;
    if (at != times.begin()) misses.push_back(outside(*at, *std::prev(at)));
    if (std::next(at) != times.end()) misses.push_back(outside(*at, *std::next(at)));
    const bool short_of_all = std::ranges::all_of(misses, [](double m) { return m < -kSlip; });
    const bool beyond_all = std::ranges::all_of(misses, [](double m) { return m > kSlip; });
    if (misses.empty() || !(short_of_all || beyond_all)) {
      kept.insert(*at);
      continue;
    }
    const double denied = denied_by_scales(times, points, at->first, expected(times, at));
    if (misses.size() == 2 ? denied < -kDenied : denied < kDenied) kept.insert(*at);
  }
  return kept.empty() ? times : kept;
}

bool has_one_rank(const std::vector<FitPoint>& points) {
  return std::any_of(points.begin(), points.end(),
                     [](const FitPoint& p) { return p.at.world_size() == 1; });
}

Times compute_times(const std::vector<FitPoint>& points) {
  if (!has_one_rank(points)) return without_slips(fastest_by_batch(points, 1), points);
  const Times alone = fastest_by_batch(points, 1, 1);
  return without_slips(without_slower(alone, fastest_by_batch(points, 2)), points);
}

double doublings(const Times::value_type& from, const Times::value_type& to) {
  return std::log2(to.first / from.first);
}

/// Minimizes sum ((launch + per_sample b) / T - 1)^2, both >= 0.
ComputeLine least_squares(const Times& times) {
  double s00 = 0, s01 = 0, s11 = 0, r0 = 0, r1 = 0;
  for (const auto& [b, t] : times) {
    s00 += 1 / (t * t), s01 += b / (t * t), s11 += b * b / (t * t), r0 += 1 / t, r1 += b / t;
  }
  const double determinant = s00 * s11 - s01 * s01;
  if (determinant > 1e-9 * s00 * s11) {
    const double c0 = (r0 * s11 - r1 * s01) / determinant;
    const double c1 = (r1 * s00 - r0 * s01) / determinant;
    if (c0 >= 0 && c1 >= 0) return {.launch = c0, .per_sample = c1};
    if (c1 < 0) return {.launch = r0 / s00, .per_sample = 0};
  }
  return {.launch = 0, .per_sample = r1 / s11};
}

/// One batch does not tell launch from time per sample; from twice as large a one on, the line
/// does.
void doubt_launch(const Times& times, ComputeLine& line) {
  constexpr double kLaunchShare = 0.45;                  // 0.15 to 0.87 on three public clusters
  constexpr double kLaunchSd = 0.7, kPerSampleSd = 0.5;  // more, of one batch
  const double told = std::min(1.0, doublings(*times.begin(), *times.rbegin()));
  const double middle = std::sqrt(times.begin()->first * times.rbegin()->first);
  const double time = line.at(middle);
  line.launch = told * line.launch + (1 - told) * kLaunchShare * time;
  line.per_sample = (time - line.launch) / middle;
  line.launch_sd += kLaunchSd * (1 - told);
  line.per_sample_sd += kPerSampleSd * (1 - told);
}

/// Steps of several ranks hold communication: on full nodes of three public clusters 0.54, 0.64 and
/// 0.85 of a step are compute, in the middle.
void doubt_compute(ComputeLine& line) {
  constexpr double kComputeShare = 0.7, kComputeSd = 0.4;
  line.launch *= kComputeShare;
  line.per_sample *= kComputeShare;
  line.launch_sd += kComputeSd;
  line.per_sample_sd += kComputeSd;
}

}  // namespace

ComputeLine compute_line(const std::vector<FitPoint>& points) {
  const Times times = compute_times(points);
  ComputeLine line = least_squares(times);
  doubt_launch(times, line);
  if (!has_one_rank(points)) doubt_compute(line);
  // Logarithms need something positive where a part vanished: what would not be noticed.
  constexpr double kUnnoticed = 0.01;
  const auto &smallest = *times.begin(), &largest = *times.rbegin();
  line.launch = std::max(line.launch, kUnnoticed * smallest.second);
  line.per_sample = std::max(line.per_sample, kUnnoticed * largest.second / largest.first);
  return line;
}

CurveShape shape_around(const ComputeLine& line, const std::vector<FitPoint>& points) {
  CurveShape shape;
  const Times fastest = compute_times(points);
  if (!has_one_rank(points) || fastest.size() < 3) return shape;
  for (const auto& [batch, time] : fastest) {
    shape.log_batch.push_back(std::log(batch));
    shape.log_factor.push_back(std::log(time / line.at(batch)));
  }
  return shape;
}

double curve_variance(const ComputeLine& line, const std::vector<FitPoint>& points) {
  constexpr double kPrior = 0.06 * 0.06;  // 0.03 to 0.1 on three public clusters
  constexpr double kPriorCount = 3;       // inner batches that it counts as much as
  double sum = kPrior * kPriorCount, count = kPriorCount;
  const Times times = has_one_rank(points) ? compute_times(points) : Times{};
  const auto off_line = [&](const auto& time) {
    return std::log(time.second / line.at(time.first));
  };
  for (auto at = times.begin(); at != times.end(); ++at) {
    if (at == times.begin() || std::next(at) == times.end()) continue;
    const auto &below = *std::prev(at), &above = *std::next(at);
    const double down = doublings(below, *at), up = doublings(*at, above);
    const double between = (up * off_line(below) + down * off_line(above)) / (up + down);
    const double miss = off_line(*at) - between;
    sum += miss * miss * (up + down) / (up * down);
    ++count;
  }
  return sum / count;
}

}  // namespace forerun
