#include "calib/collective_factors.h"

#include <algorithm>

#include "model/statistics.h"
#include "model/strategy.h"

namespace forerun {
namespace {

constexpr double kBandwidthBound = 1 << 20;  // bytes: below, latency counts

/// Whether a sweep's ranks stand to each other as those of a sending do.
bool fits(Among among, const Placement& placement) {
  switch (among) {
    case Among::kNode:
      return placement.nodes() == 1;
    case Among::kLeaders:
      return placement.max_ranks_per_node() == 1;
    case Among::kAll:
      break;
  }
  return true;
}

const SweepPoint* allreduce_beside(const SweepPoint& other, const std::vector<SweepPoint>& sweeps) {
  const auto found = std::ranges::find_if(sweeps, [&](const SweepPoint& p) {
    return p.collective == collective_name(Collective::kAllreduce) && !p.samples_s.empty() &&
           p.placement == other.placement && p.size_bytes == other.size_bytes;
  });
  return found == sweeps.end() ? nullptr : &*found;
}

Seconds<> time_of(const SweepPoint& point) { return Seconds<>(median(point.samples_s)); }

double busbw_ratio(const SweepPoint& allreduce, const SweepPoint& other, Collective collective) {
  const int n = other.placement.world_size();
  const Bytes<> size(other.size_bytes);
  return bus_bandwidth(Collective::kAllreduce, size, time_of(allreduce), n) /
         bus_bandwidth(collective, size, time_of(other), n);
}

double factor_of(const Sending& sending, const std::vector<SweepPoint>& sweeps) {
  std::vector<double> ratios;
  for (const SweepPoint& point : sweeps) {
    if (point.collective != collective_name(sending.collective) || point.samples_s.empty() ||
        point.size_bytes < kBandwidthBound || !fits(sending.among, point.placement)) {
      continue;
    }
    const SweepPoint* allreduce = allreduce_beside(point, sweeps);
    if (allreduce != nullptr) ratios.push_back(busbw_ratio(*allreduce, point, sending.collective));
  }
  return ratios.empty() ? 1 : median(ratios);
}

}  // namespace

CollectiveFactors collective_factors(const std::string& strategy,
                                     const std::vector<SweepPoint>& sweeps) {
  CollectiveFactors factors;
  for (const Sending& sending : strategy_pattern(strategy).each()) {
    if (sending.collective == Collective::kAllreduce) continue;
    factors[sending.collective] = factor_of(sending, sweeps);
  }
  return factors;
}

}  // namespace forerun
