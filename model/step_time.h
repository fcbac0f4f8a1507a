// The page that holds the idea: what Forerun believes about the time of one training step.
//
//   T_step = max( T_load,  s C(b) w(n)  with the last backward overlapped by the all-reduce )
//
//   C(b)   compute of a micro-step of b samples on one device              compute.h
//          times k^c where k ranks share a node: memory and clock are one
//   w(n)   = 1 + spread sqrt(2 ln n): every step waits for the slowest rank
//   t      what the strategy sends: ddp an all-reduce of the gradients     strategy.h,
//          over n ranks on m nodes                                  exchange.h, collective.h
//   g      how well backward hides t: (T_bwd^g + t^g)^(1/g)               overlap.h
//          or, where `measure` saw when each bucket fills, the step played through: timeline.h
//   s      micro-steps per step; only the last one communicates
//
// The network belongs to the cluster and is shared by every workload; the rest belongs to one
// workload. So a workload measured on one GPU can be predicted on many once its gradient bytes are
// known.
#pragma once

#include <cmath>
#include <vector>

#include "model/collective.h"
#include "model/compute.h"
#include "model/configuration.h"
#include "model/exchange.h"
#include "model/overlap.h"
#include "model/strategy.h"
#include "model/timeline.h"
#include "model/units.h"

namespace forerun {

/// One bucket of gradients in any step of a workload, as shares: so it holds for every batch.
struct BucketShare {
  double bytes = 1;  ///< of all gradients
  double ready = 1;  ///< of the backward pass, when it is full
};

/// Everything `step_time()` needs about a workload on a cluster. T is `double` to predict and
/// `ceres::Jet` to fit.
template <class T = double>
struct StepModel {
  // The cluster's, shared by all workloads.
  Network<T> network;
  T contention = T(1);  ///< a collective inside training against the same one alone
  T spread = T(0);      ///< relative spread of compute between ranks
  T crowding = T(0);    ///< compute among k ranks of a node against alone: k^crowding
  CollectiveFactors collective_factors;  ///< where sweeps saw more than all-reduces

  // The workload's.
  ComputeCurve<T> compute;  ///< forward, backward and optimizer of one micro-step
  Bytes<T> grad_bytes;      ///< sent per step and rank
  T buckets = T(1);         ///< they are sent in: each pays the latency
  T overlap = T(2);         ///< g of overlapped_time(); not used where `bucket_shares` are known
  std::vector<BucketShare> bucket_shares;  ///< in order of launch; empty: never seen
  /// A collective beside backward against alone, and backward beside a collective against alone:
  /// on CPUs a collective needs a core. Both only where bucket_shares are known.
  double collective_slowdown = 1, compute_slowdown = 1;
  /// Of C(b), what nothing overlaps: forward and optimizer. Where it was not measured 0.35: forward
  /// is half of backward (2 of 6 FLOP per weight and sample), the optimizer is small.
  double serial_share = 0.35;
  Seconds<> optimizer;      ///< inside C(b), once per step; 0 where it was not measured
  SecondsPerSample<> load;  ///< what the input pipeline needs per sample and rank; 0: no limit
};

/// A step taken apart. The parts add up to the step.
template <class T = double>
struct StepTime {
  Seconds<T> compute;  ///< forward and backward of all micro-steps
  Seconds<T> optimizer;
  Seconds<T> waiting;                ///< for the slowest rank
  Seconds<T> exposed_communication;  ///< what backward does not hide
  Seconds<T> loader;                 ///< waiting for input beyond all of the above

  Seconds<T> total() const {
    return compute + optimizer + waiting + exposed_communication + loader;
  }
};

/// Expected maximum of n equal spreads around a mean, in units of the spread: sqrt(2 ln n), 0 for
/// one rank. Source: extreme values of the normal distribution (an upper bound at small n).
inline double slowest_of(int world_size) { return std::sqrt(2.0 * std::log(world_size)); }

/// Communication of one step, as slow as it is inside training.
template <class T>
Exchange<T> communication_time(const StepModel<T>& model, const Configuration& at) {
  const Exchange<T> alone =
      exchange_time(strategy_pattern(at.strategy), model.network, model.grad_bytes, model.buckets,
                    at.placement, model.collective_factors);
  return {alone.hidden * model.contention, alone.open * model.contention};
}

/// The collectives that run beside a backward pass, played through, from shares of buckets. A
/// bucket's stages follow each other on one link: one thread, or one stream.
template <class T>
Timeline<T> play_buckets(const StepModel<T>& model, const Configuration& at, Seconds<T> backward) {
  TimelineStep<T> step;
  step.backward = backward;
  step.collective_slowdown = T(model.collective_slowdown);
  step.compute_slowdown = T(model.compute_slowdown);
  for (const BucketShare& share : model.bucket_shares) {
    const Seconds<T> time = exchange_time(strategy_pattern(at.strategy), model.network,
                                          model.grad_bytes * T(share.bytes), T(1), at.placement,
                                          model.collective_factors)
                                .hidden;
    step.buckets.push_back({backward * T(share.ready), {{0, time * model.contention}}});
  }
  return play_step(step);
}

/// What a step takes beyond its backward pass, because of communication.
template <class T>
Seconds<T> exposed_communication(const StepModel<T>& model, const Configuration& at,
                                 Seconds<T> backward) {
  const Exchange<T> exchange = communication_time(model, at);
  if (!model.bucket_shares.empty() && exchange.hidden.value() > T(0)) {
    return play_buckets(model, at, backward).communication_end - backward + exchange.open;
  }
  return overlapped_time(backward, exchange.hidden, model.overlap) - backward + exchange.open;
}

/// Compute of one micro-step of a rank among the others of its node.
template <class T>
Seconds<T> compute_time(const StepModel<T>& model, const Configuration& at) {
  using std::exp;
  const double log_ranks = std::log(at.placement.max_ranks_per_node());
  return model.compute.time(Samples<>(at.local_batch)) * exp(model.crowding * log_ranks);
}

/// The last micro-step's backward pass: only it runs beside the collectives. A late rank delays
/// both.
template <class T>
Seconds<T> last_backward(const StepModel<T>& model, const Configuration& at) {
  const T wait = model.spread * slowest_of(at.world_size());
  return compute_time(model, at) * (T(1.0 - model.serial_share) * (T(1) + wait));
}

/// How long a step's collectives run, one after the other, hidden or not: what
/// MeasuredConfiguration::collective_times() observes.
template <class T>
Seconds<T> time_on_the_wire(const StepModel<T>& model, const Configuration& at) {
  const Exchange<T> exchange = communication_time(model, at);
  if (model.bucket_shares.empty() || !(exchange.hidden.value() > T(0))) {
    return exchange.hidden + exchange.open;
  }
  Seconds<T> sum = exchange.open;
  for (const TimelineSpan<T>& bucket : play_buckets(model, at, last_backward(model, at)).buckets) {
    sum += bucket.end - bucket.start;
  }
  return sum;
}

/// Time of one step of a data-parallel training by at.strategy.
template <class T>
StepTime<T> step_time(const StepModel<T>& model, const Configuration& at) {
  const T micro_steps(at.accumulation);
  const Seconds<T> compute = compute_time(model, at);
  const T wait = model.spread * slowest_of(at.world_size());

  StepTime<T> step;
  const Seconds<T> measured(T(model.optimizer.value()));
  const Seconds<T> optimizer = measured < compute ? measured : compute;
  const bool sharded = strategy_pattern(at.strategy).shards_optimizer;
  step.optimizer = sharded ? optimizer / T(at.world_size()) : optimizer;
  step.compute = (compute - optimizer) * micro_steps;
  step.waiting = compute * (micro_steps * wait);
  step.exposed_communication = exposed_communication(model, at, last_backward(model, at));
  step.loader = Seconds<T>(T(0));
  const Seconds<T> load(T(model.load.value() * at.local_batch * at.accumulation));
  const Seconds<T> busy = step.total();
  if (load > busy) step.loader = load - busy;
  return step;
}

}  // namespace forerun
