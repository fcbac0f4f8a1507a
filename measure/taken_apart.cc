#include "measure/taken_apart.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "measure/stop_rule.h"
#include "model/exchange.h"

namespace forerun {
namespace {

std::optional<MedianEstimate> estimate(std::vector<double> samples) {
  if (samples.size() < 2) return std::nullopt;  // one has no interval
  const MedianInterval m = median_interval(std::move(samples));
  return MedianEstimate{m.median, m.low, m.high};
}

std::optional<MedianEstimate> ratio(const std::optional<MedianEstimate>& a,
                                    const std::optional<MedianEstimate>& b) {
  if (!a || !b || !(b->low > 0)) return std::nullopt;
  return MedianEstimate{a->median / b->median, a->low / b->high, a->high / b->low};
}

/// Step by step, what `combine` makes of all ranks' values.
template <class Value, class Combine>
std::vector<double> over_ranks(const std::vector<RankSteps>& ranks, size_t steps, Value value,
                               Combine combine) {
  std::vector<double> out;
  for (size_t s = 0; s < steps; ++s) {
    std::vector<double> all;
    for (const RankSteps& rank : ranks) all.push_back(value(rank, s));
    out.push_back(combine(all));
  }
  return out;
}

double largest(const std::vector<double>& values) { return *std::ranges::max_element(values); }
double beyond_mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return largest(values) - sum / static_cast<double>(values.size());
}

double compute_of(const RankSteps& rank, size_t s) {
  return rank.load_s[s] + rank.forward_s[s] + rank.backward_s[s];
}

/// The placement of the ranks that a strategy's collective runs between.
Placement members_of(const std::string& collective, const Configuration& at) {
  for (const Sending& sending : strategy_pattern(at.strategy).each()) {
    if (collective == collective_name(sending.collective)) {
      return members(sending.among, at.placement);
    }
  }
  return at.placement;
}

/// What a step's collectives take alone, where each was swept.
std::optional<double> all_alone(const MeasuredConfiguration& measured,
                                const std::vector<SweepPoint>& network) {
  double sum = 0;
  for (const CollectiveTimeline& one : measured.ranks.front().timeline) {
    const auto alone =
        alone_s(network, one.collective, members_of(one.collective, measured.at), one.size_bytes);
    if (!alone) return std::nullopt;
    sum += *alone;
  }
  return sum > 0 ? std::optional(sum) : std::nullopt;
}

/// Step by step, all collectives inside training over all of them alone.
std::vector<double> inside_over_alone(const MeasuredConfiguration& measured,
                                      const std::vector<SweepPoint>& network) {
  const std::optional<double> alone = all_alone(measured, network);
  if (!alone) return {};
  std::vector<double> inside = measured.collective_times();
  for (double& time : inside) time /= *alone;
  return inside;
}

}  // namespace

std::optional<double> alone_s(const std::vector<SweepPoint>& network, const std::string& collective,
                              const Placement& placement, double size_bytes) {
  constexpr double kFarthest = 8;  // times the largest swept size: small ones flatter the link
  std::map<double, double> curve;
  for (const SweepPoint& point : network) {
    if (point.collective == collective && point.placement == placement &&
        !point.samples_s.empty()) {
      curve[point.size_bytes] = median_interval(point.samples_s).median;
    }
  }
  if (curve.empty()) return std::nullopt;
  const auto above = curve.lower_bound(size_bytes);
  if (above == curve.begin()) return above->second;
  const auto below = std::prev(above);
  if (above == curve.end()) {
    if (size_bytes > kFarthest * below->first) return std::nullopt;
    return below->second * size_bytes / below->first;
  }
  const double share = std::log(size_bytes / below->first) / std::log(above->first / below->first);
  return std::exp((1 - share) * std::log(below->second) + share * std::log(above->second));
}

CommunicationFigures take_apart(const MeasuredConfiguration& measured,
                                const std::vector<SweepPoint>& network) {
  CommunicationFigures figures;
  const std::vector<RankSteps>& ranks = measured.ranks;
  if (ranks.empty() || measured.at.world_size() == 1) return figures;
  const size_t steps = ranks.front().step_time_s.size();
  figures.exposed_s = estimate(over_ranks(
      ranks, steps, [](const RankSteps& r, size_t s) { return r.exposed_comm_s[s]; }, largest));
  if (ranks.size() > 1)
    figures.waiting_s = estimate(over_ranks(ranks, steps, compute_of, beyond_mean));
  if (static_cast<int>(ranks.size()) == measured.at.world_size()) {  // else no sweep is alike
    figures.slower_inside = estimate(inside_over_alone(measured, network));
  }
  const auto mean_over_ranks = [](const std::vector<double>& v) {
    return largest(v) - beyond_mean(v);
  };
  const size_t quiet = ranks.front().quiet_backward_s.size();
  figures.slows_compute =
      ratio(estimate(over_ranks(
                ranks, steps, [](const RankSteps& r, size_t s) { return r.backward_s[s]; },
                mean_over_ranks)),
            estimate(over_ranks(
                ranks, quiet, [](const RankSteps& r, size_t s) { return r.quiet_backward_s[s]; },
                mean_over_ranks)));
  return figures;
}

}  // namespace forerun
