// What the communication of a step costs, by the strategy's pattern.
#pragma once

#include <cmath>

#include "model/collective.h"
#include "model/collective_kind.h"
#include "model/placement.h"
#include "model/strategy.h"
#include "model/units.h"

namespace forerun {

/// Time of one broadcast, or one reduce, over a pipelined tree:
///
///   t = ceil(log2 n) alpha + size beta,   0 for one rank
///
/// Throws Error if world_size < 1. Source: Sanders, Speck, Traeff 2009: one way of
/// tree_allreduce_time().
template <class T>
Seconds<T> tree_broadcast_time(const Link<T>& link, Bytes<T> size, int world_size) {
  internal::require_world(world_size);
  if (world_size == 1) return Seconds<T>(T(0));
  return T(std::ceil(std::log2(world_size))) * link.alpha + size * link.beta;
}

/// Time of any collective on a placement. A reduce-scatter and an all-gather are the two halves of
/// a ring all-reduce, so each takes half of it; broadcast and reduce take the link between nodes
/// where there is more than one.
template <class T>
Seconds<T> collective_time(const Network<T>& network, Collective collective, Bytes<T> size,
                           const Placement& placement) {
  switch (collective) {
    case Collective::kAllreduce:
      return allreduce_time(network, size, placement);
    case Collective::kReduceScatter:
    case Collective::kAllGather:
      return T(0.5) * allreduce_time(network, size, placement);
    case Collective::kBroadcast:
    case Collective::kReduce:
      break;
  }
  return tree_broadcast_time(placement.nodes() == 1 ? network.intra : network.inter, size,
                             placement.world_size());
}

/// The ranks that a sending runs between.
inline Placement members(Among among, const Placement& placement) {
  switch (among) {
    case Among::kNode:
      return Placement({placement.max_ranks_per_node()});  // the fullest node takes longest
    case Among::kLeaders:
      return Placement::even(placement.nodes(), placement.nodes());
    case Among::kAll:
      break;
  }
  return placement;
}

/// A step's communication on the network alone.
template <class T = double>
struct Exchange {
  Seconds<T> hidden;  ///< what may run while backward does
  Seconds<T> open;    ///< what nothing overlaps
};

/// Of a strategy with `size` bytes of gradients in `buckets` parts, by collectives that take
/// `factors` times their formulas.
template <class T>
Exchange<T> exchange_time(const StrategyPattern& strategy, const Network<T>& network, Bytes<T> size,
                          T buckets, const Placement& placement,
                          const CollectiveFactors& factors = {}) {
  Exchange<T> exchange{Seconds<T>(T(0)), Seconds<T>(T(0))};
  if (placement.world_size() == 1) return exchange;
  const T times = strategy.in_buckets ? buckets : T(1);
  for (const Sending& sending : strategy.each()) {
    const Placement between = members(sending.among, placement);
    const Seconds<T> one = collective_time(network, sending.collective, size / times, between);
    const Seconds<T> time = one * (times * T(factors.at(between)[sending.collective]));
    (sending.hidden ? exchange.hidden : exchange.open) += time;
  }
  return exchange;
}

}  // namespace forerun
