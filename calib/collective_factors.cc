#include "calib/collective_factors.h"

#include <cmath>

#include "model/statistics.h"
#include "model/strategy.h"

namespace forerun {
namespace {

constexpr double kBandwidthBound = 1 << 20;  // bytes: below, latency counts
constexpr Sending kAllreduce{Collective::kAllreduce, Among::kAll};

/// Whether a sweep tells of a sending on this level: its ranks stand to each other as those do.
bool tells(const SweepPoint& sweep, const Sending& sending, bool between_nodes) {
  return sweep.collective == collective_name(sending.collective) && !sweep.samples_s.empty() &&
         sweep.size_bytes >= kBandwidthBound && (sweep.placement.nodes() > 1) == between_nodes &&
         (sending.among != Among::kLeaders || sweep.placement.max_ranks_per_node() == 1);
}

BytesPerSecond<> busbw(Collective collective, const SweepPoint& point) {
  return bus_bandwidth(collective, Bytes<>(point.size_bytes), Seconds<>(median(point.samples_s)),
                       point.placement.world_size());
}

/// On the same placement: sweeps end where their time does, at another size for each collective.
const SweepPoint* nearest_allreduce(const SweepPoint& other,
                                    const std::vector<SweepPoint>& sweeps) {
  const SweepPoint* nearest = nullptr;
  const auto distance = [&](const SweepPoint& p) {
    return std::abs(std::log(p.size_bytes / other.size_bytes));
  };
  for (const SweepPoint& p : sweeps) {
    if (p.placement != other.placement || !tells(p, kAllreduce, p.placement.nodes() > 1)) continue;
    if (nearest == nullptr || distance(p) < distance(*nearest)) nearest = &p;
  }
  return nearest;
}

double factor_of(const Sending& sending, bool between_nodes,
                 const std::vector<SweepPoint>& sweeps) {
  std::vector<double> ratios;
  for (const SweepPoint& point : sweeps) {
    if (!tells(point, sending, between_nodes)) continue;
    const SweepPoint* allreduce = nearest_allreduce(point, sweeps);
    if (allreduce == nullptr) continue;
    ratios.push_back(busbw(Collective::kAllreduce, *allreduce) / busbw(sending.collective, point));
  }
  return ratios.empty() ? 1 : median(ratios);
}

}  // namespace

CollectiveFactors collective_factors(const std::string& strategy,
                                     const std::vector<SweepPoint>& sweeps) {
  CollectiveFactors factors;
  for (const Sending& sending : strategy_pattern(strategy).each()) {
    if (sending.collective == Collective::kAllreduce) continue;
    if (sending.among != Among::kLeaders) {
      factors.intra[sending.collective] = factor_of(sending, false, sweeps);
    }
    if (sending.among != Among::kNode) {
      factors.inter[sending.collective] = factor_of(sending, true, sweeps);
    }
  }
  return factors;
}

}  // namespace forerun
