#include "calib/inside_training.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "calib/block_variance.h"
#include "calib/collective_factors.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr double kLeastSpread = 1e-4;  // below it, waiting is not seen in any step

using Measured = std::vector<const MeasuredConfiguration*>;

bool counts(const MeasuredConfiguration& measured) {
  return measured.status == "ok" && measured.role != "test" && !measured.step_times().empty();
}

/// Of scales that were fitted: one that is held out is not looked at.
std::map<std::string, Measured> by_workload(const Profile& profile, int most_ranks) {
  std::map<std::string, Measured> out;
  for (const WorkloadProfile& workload : profile.workloads) {
    for (const MeasuredConfiguration& measured : workload.configurations) {
      if (!counts(measured) || measured.at.world_size() > most_ranks) continue;
      out[workload_name(workload.name, measured.at)].push_back(&measured);
    }
  }
  return out;
}

int most_ranks(const Evidence& evidence) {
  int most = 0;
  for (const WorkloadEvidence& workload : evidence.workloads) {
    for (const FitPoint& point : workload.points) most = std::max(most, point.at.world_size());
  }
  return most;
}

/// The fewest ranks disturb the backward pass least.
const MeasuredConfiguration* least_disturbed(const Measured& all) {
  const MeasuredConfiguration* best = nullptr;
  for (const MeasuredConfiguration* m : all) {
    if (m->buckets.empty()) continue;
    if (best == nullptr || m->at.world_size() < best->at.world_size()) best = m;
  }
  return best;
}

std::vector<BucketShare> shares_of(const MeasuredConfiguration& measured) {
  const double backward = median(measured.ranks.front().backward_s);
  double bytes = 0;
  for (const BucketReady& bucket : measured.buckets) bytes += bucket.size_bytes;
  std::vector<BucketShare> shares;
  if (!(backward > 0) || !(bytes > 0)) return shares;
  for (const BucketReady& bucket : measured.buckets) {
    shares.push_back({bucket.size_bytes / bytes, std::clamp(bucket.ready_s / backward, 0.0, 1.0)});
  }
  return shares;
}

/// The median over configurations of a figure that some have.
template <class Figure>
std::optional<double> median_of(const Measured& all, Figure figure) {
  std::vector<double> values;
  for (const MeasuredConfiguration* m : all) {
    if (const std::optional<double> value = figure(*m)) values.push_back(*value);
  }
  if (values.empty()) return std::nullopt;
  return median(values);
}

std::optional<double> compute_slowdown(const MeasuredConfiguration& m) {
  if (!m.communication.slows_compute) return std::nullopt;
  return std::max(1.0, m.communication.slows_compute->median);
}

std::optional<double> collective_slowdown(const MeasuredConfiguration& m) {
  if (!m.communication.slower_inside) return std::nullopt;
  return std::max(1.0, m.communication.slower_inside->median);
}

/// waiting = compute * spread * sqrt(2 ln n), solved for the spread.
std::optional<double> spread(const MeasuredConfiguration& m) {
  const RankSteps& rank = m.ranks.front();
  const double compute = median(rank.load_s) + median(rank.forward_s) + median(rank.backward_s);
  if (!m.communication.waiting_s || !(compute > 0)) return std::nullopt;
  const double relative = m.communication.waiting_s->median / compute;
  return std::max(kLeastSpread, relative / slowest_of(m.at.world_size()));
}

/// One process drives all devices: what it copies between them is no network.
bool drives_all(const MeasuredConfiguration& m) {
  return m.at.world_size() > 1 && static_cast<int>(m.ranks.size()) < m.at.world_size();
}

/// Whether nothing but such copies was measured: they are the network then.
bool only_copies(const std::map<std::string, Measured>& measured) {
  return std::ranges::all_of(measured, [](const auto& of) {
    return std::ranges::all_of(of.second, [](const MeasuredConfiguration* m) {
      return m->at.world_size() == 1 || drives_all(*m);
    });
  });
}

/// What copies took, like sweeps of their collectives.
std::vector<SweepPoint> sweeps_of_copies(const Measured& all) {
  std::vector<SweepPoint> out;
  for (const MeasuredConfiguration* m : all) {
    if (!drives_all(*m)) continue;
    for (const CollectiveTimeline& one : m->ranks.front().timeline) {
      SweepPoint point{
          .collective = one.collective, .placement = m->at.placement, .size_bytes = one.size_bytes};
      for (size_t s = 0; s < one.end_s.size(); ++s) {
        if (one.end_s[s] > one.start_s[s]) point.samples_s.push_back(one.end_s[s] - one.start_s[s]);
      }
      out.push_back(std::move(point));
    }
  }
  return out;
}

/// Whether the timeline has no steps that other programs slowed, and the fit knows of `m`.
bool is_timed(const MeasuredConfiguration& m, const WorkloadEvidence& workload) {
  return m.at.world_size() > 1 && m.disturbed.empty() && workload.grad_bytes > 0 &&
         std::ranges::find(workload.points, canonical(m.at), &FitPoint::at) !=
             workload.points.end();
}

/// What `all` tells of the network; without copies inside a process, unless they are it.
std::vector<WirePoint> on_the_wire(const Measured& all, const WorkloadEvidence& workload,
                                   bool copies_count) {
  std::vector<WirePoint> out;
  for (const MeasuredConfiguration* m : all) {
    if (!is_timed(*m, workload) || (drives_all(*m) && !copies_count)) continue;
    const std::vector<double> times = m->collective_times();
    if (times.empty()) continue;
    const double typical = median(times);
    if (!(typical > 0)) continue;
    out.push_back({canonical(m->at), typical, relative_median_variance(times)});
  }
  return out;
}

/// Where sweeps tell of collectives alone, one factor on every level is between them and these
/// rows: that of the level on which more ranks will be asked about.
void keep_widest_level(std::vector<WorkloadEvidence>& workloads) {
  const auto between_nodes = [](const WirePoint& p) { return p.at.placement.nodes() > 1; };
  const bool several_nodes = std::ranges::any_of(
      workloads, [&](const auto& w) { return std::ranges::any_of(w.wire, between_nodes); });
  if (!several_nodes) return;
  for (WorkloadEvidence& w : workloads) std::erase_if(w.wire, std::not_fn(between_nodes));
}

}  // namespace

void add_inside_training(const Profile& profile, Evidence& evidence) {
  const std::map<std::string, Measured> measured = by_workload(profile, most_ranks(evidence));
  Measured all;
  for (WorkloadEvidence& workload : evidence.workloads) {
    const auto found = measured.find(workload.traits.name);
    if (found == measured.end()) continue;
    all.insert(all.end(), found->second.begin(), found->second.end());
    if (const MeasuredConfiguration* alone = least_disturbed(found->second)) {
      workload.traits.bucket_shares = shares_of(*alone);
    }
    workload.wire = on_the_wire(found->second, workload, only_copies(measured));
    const std::optional<double> inside = median_of(found->second, collective_slowdown);
    evidence.seen_inside = evidence.seen_inside || inside;
    workload.traits.collective_slowdown = inside.value_or(1);
    workload.traits.compute_slowdown = median_of(found->second, compute_slowdown).value_or(1);
    std::vector<SweepPoint> sweeps = profile.network;
    std::ranges::move(sweeps_of_copies(found->second), std::back_inserter(sweeps));
    workload.traits.collective_factors =
        collective_factors(workload.points.front().at.strategy, sweeps);
  }
  if (!profile.network.empty()) keep_widest_level(evidence.workloads);
  evidence.spread = median_of(all, spread);
}

}  // namespace forerun
