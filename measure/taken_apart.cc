#include "measure/taken_apart.h"

#include <algorithm>
#include <cmath>
#include <limits>
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
double smallest(const std::vector<double>& values) { return *std::ranges::min_element(values); }
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

/// Steps that every rank has times of, for a collective.
size_t common_steps(const std::vector<RankSteps>& ranks, size_t collective) {
  size_t steps = std::numeric_limits<size_t>::max();
  for (const RankSteps& rank : ranks) {
    if (collective >= rank.timeline.size()) return 0;
    steps = std::min(steps, rank.timeline[collective].end_s.size());
  }
  return steps;
}

/// Step by step, all collectives inside training over all of them alone. Ranks that take part in
/// different collectives (leaders of nodes) are not compared: rank 0 speaks for its own.
std::vector<double> inside_over_alone(const MeasuredConfiguration& measured,
                                      const std::vector<SweepPoint>& network) {
  const bool alike = std::ranges::all_of(measured.ranks, [&](const RankSteps& rank) {
    return rank.timeline.size() == measured.ranks.front().timeline.size();
  });
  const std::vector<RankSteps> ranks =
      alike ? measured.ranks : std::vector<RankSteps>{measured.ranks.front()};
  std::vector<double> inside;
  double alone = 0;
  for (size_t c = 0; c < ranks.front().timeline.size(); ++c) {
    const CollectiveTimeline& one = ranks.front().timeline[c];
    const auto here =
        alone_s(network, one.collective, members_of(one.collective, measured.at), one.size_bytes);
    if (!here) return {};
    alone += *here;
    // A collective is over for the first rank that it lets go: the others waited for its start.
    const std::vector<double> times = over_ranks(
        ranks, common_steps(ranks, c),
        [c](const RankSteps& r, size_t s) {
          return r.timeline[c].end_s[s] - r.timeline[c].start_s[s];
        },
        smallest);
    if (c == 0) inside.resize(times.size());
    inside.resize(std::min(inside.size(), times.size()));
    for (size_t s = 0; s < inside.size(); ++s) inside[s] += times[s];
  }
  if (!(alone > 0)) return {};
  for (double& time : inside) time /= alone;
  return inside;
}

}  // namespace

std::optional<double> alone_s(const std::vector<SweepPoint>& network, const std::string& collective,
                              const Placement& placement, double size_bytes) {
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
    if (size_bytes > kFarBeyondSweep * below->first) return std::nullopt;
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
