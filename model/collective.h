// What one collective costs: alpha-beta formulas, and the two-level network that they run on.
#pragma once

#include <cmath>

#include "model/error.h"
#include "model/placement.h"
#include "model/units.h"

namespace forerun {

/// One level of a network.
template <class T = double>
struct Link {
  Seconds<T> alpha;        ///< per hop
  SecondsPerByte<T> beta;  ///< per byte: an inverse bandwidth, never a bandwidth
};

namespace internal {
inline void require_world(int world_size) {
  if (world_size < 1) {
    throw Error("collective over " + std::to_string(world_size) + " ranks (must be >= 1)");
  }
}
}  // namespace internal

/// Share of a buffer that crosses each rank's link in a ring: 2(n-1)/n. It saturates at 2.
inline double ring_traffic(int world_size) { return 2.0 * (world_size - 1) / world_size; }

/// Time of one ring all-reduce of `size` bytes per rank.
///
///   t = 2(n-1) alpha + 2(n-1)/n * size * beta,   n = world_size
///
/// One rank costs 0. Throws Error if world_size < 1.
/// Source: Thakur, Rabenseifner, Gropp 2005; nccl-tests doc/PERFORMANCE.md (the size term).
template <class T>
Seconds<T> ring_allreduce_time(const Link<T>& link, Bytes<T> size, int world_size) {
  internal::require_world(world_size);
  return T(2.0 * (world_size - 1)) * link.alpha + T(ring_traffic(world_size)) * (size * link.beta);
}

/// Time of one all-reduce over a pipelined double binary tree: reduce up, broadcast down.
///
///   t = 2 ceil(log2 n) alpha + 2 size beta,   0 for one rank
///
/// Throws Error if world_size < 1. Source: Sanders, Speck, Traeff 2009; NCCL 2.4 release notes.
template <class T>
Seconds<T> tree_allreduce_time(const Link<T>& link, Bytes<T> size, int world_size) {
  internal::require_world(world_size);
  if (world_size == 1) return Seconds<T>(T(0));
  return T(2.0 * std::ceil(std::log2(world_size))) * link.alpha + T(2.0) * (size * link.beta);
}

/// algbw = size / t, as nccl-tests defines it.
inline BytesPerSecond<> algorithm_bandwidth(Bytes<> size, Seconds<> time) { return size / time; }
/// busbw = algbw * 2(n-1)/n: comparable with the link's bandwidth whatever n is.
inline BytesPerSecond<> bus_bandwidth(Bytes<> size, Seconds<> time, int world_size) {
  return algorithm_bandwidth(size, time) * ring_traffic(world_size);
}

/// The cluster's network: two levels, and what is known to disturb the upper one.
///
/// The three exponents are 0 on an ideal network. Source: fitted forms compared on three public
/// clusters; see calib/README.md for what each of them buys.
template <class T = double>
struct Network {
  Link<T> intra;         ///< between ranks of one node
  Link<T> inter;         ///< between nodes
  T nic_sharing = T(0);  ///< ranks p of a node share its link: beta * p^nic_sharing
  T congestion = T(0);   ///< more nodes m: beta * (m/2)^congestion
  T two_nodes = T(0);    ///< exactly two nodes behave differently: time * exp(two_nodes)
};

/// Time of one all-reduce of `size` bytes per rank on a placement.
///
///   one node:  ring over the intra link
///   m nodes:   [ 2(n-1)/n size beta_inter p^nic_sharing (m/2)^congestion + log2(n) alpha_inter ]
///   exp(two_nodes [m=2])
///
/// with n ranks, p = n/m. The size term saturates with n: a term that grows linearly in n misses by
/// 72 % from 8 to 64 GPUs. The latency grows with log2(n), as trees and their pipelines do.
template <class T>
Seconds<T> allreduce_time(const Network<T>& network, Bytes<T> size, const Placement& placement) {
  using std::exp;
  using std::log;
  const int n = placement.world_size();
  const int m = placement.nodes();
  if (m == 1) return ring_allreduce_time(network.intra, size, n);
  const T crowding = exp(network.nic_sharing * std::log(placement.mean_ranks_per_node()) +
                         network.congestion * std::log(m / 2.0));
  const Seconds<T> transfer = T(ring_traffic(n)) * crowding * (size * network.inter.beta);
  const Seconds<T> latency = T(std::log2(n)) * network.inter.alpha;
  const Seconds<T> time = transfer + latency;
  return m == 2 ? time * exp(network.two_nodes) : time;
}

}  // namespace forerun
