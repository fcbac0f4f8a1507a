#include "calib/priors.h"

#include <algorithm>
#include <cmath>

#include "calib/compute_line.h"
#include "model/error.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr double kFixed = 1e-4;  // sd of a parameter that is not in play
constexpr double kTypicalBytes = 100e6;
constexpr double kTimedSd = 1;  // of contention, where collectives were timed inside training
// 7 % a doubling: two cores of a host slowed each other by 4 to 25 % (tests/calib/data/cores.json).
constexpr double kCrowdingSd = 0.1;
constexpr double kMeasuredSd = 0.2;  // of what was measured inside training, for any other scale

double median_step_time(const WorkloadEvidence& workload) {
  std::vector<double> times;
  for (const FitPoint& p : workload.points) times.push_back(p.step_time_s);
  return median(times);
}

template <int Size>
void set(Prior<Size>& prior, int parameter, double mean, double sd) {
  prior.mean[parameter] = mean;
  prior.sd[parameter] = sd;
}

}  // namespace

Priors make_priors(const Evidence& evidence, TwoNodeHypothesis hypothesis,
                   const Ingredients& ingredients) {
  if (evidence.workloads.empty()) throw Error("nothing to fit: no step time was measured");
  std::vector<double> typical;
  bool bytes_known = !evidence.sweeps.empty();
  for (const WorkloadEvidence& w : evidence.workloads) {
    typical.push_back(median_step_time(w));
    bytes_known = bytes_known || w.grad_bytes > 0;
  }
  const double step = median(typical);

  Priors priors;
  // Where no workload's bytes are known, only bytes * beta can be: beta is then a convention.
  const double beta = 0.2 * step / kTypicalBytes;
  const double beta_sd = bytes_known ? 3 : kFixed;
  set(priors.network, kAlphaIntra, std::log(1e-3 * step), bytes_known ? 3 : 1.5);
  set(priors.network, kBetaIntra, std::log(0.3 * beta), bytes_known ? 3 : 1.5);
  set(priors.network, kAlphaInter, std::log(2e-3 * step), bytes_known ? 3 : 1.5);
  set(priors.network, kBetaInter, std::log(beta), beta_sd);
  set(priors.network, kNicSharing, 0, ingredients.nic_sharing ? 0.2 : kFixed);
  set(priors.network, kCongestion, 0, ingredients.congestion ? 0.1 : kFixed);
  set(priors.network, kTwoNodes, 0, hypothesis == TwoNodeHypothesis::kMayDiffer ? 0.35 : kFixed);
  set(priors.network, kSpread, std::log(evidence.spread.value_or(0.01)),
      evidence.spread ? kMeasuredSd : 0.5);
  const bool timed_inside = std::ranges::any_of(
      evidence.workloads, [](const WorkloadEvidence& w) { return !w.wire.empty(); });
  // A step grows with the ranks of its node by communication, too: only where that was timed by
  // itself can they be told apart.
  set(priors.network, kCrowding, 0, timed_inside ? kCrowdingSd : kFixed);
  // Only a sweep shows the network alone; without one, contention is part of beta.
  if (evidence.sweeps.empty()) {
    set(priors.network, kContention, 0, kFixed);
  } else if (timed_inside) {
    set(priors.network, kContention, 0, kTimedSd);
  } else {
    // Where it is known what a collective is slowed by beside backward, nothing slows it after.
    set(priors.network, kContention, evidence.seen_inside ? 0 : std::log(1.3),
        evidence.seen_inside ? kMeasuredSd : 0.5);
  }

  for (size_t i = 0; i < evidence.workloads.size(); ++i) {
    const WorkloadEvidence& w = evidence.workloads[i];
    const ComputeLine line = compute_line(w.points);
    WorkloadPrior prior;
    set(prior, kLaunch, std::log(line.launch), line.launch_sd);
    set(prior, kPerSample, std::log(line.per_sample), line.per_sample_sd);
    // g = 3: bucketed all-reduces hide well. Where buckets are known, g is not in play.
    set(prior, kOverlap, 0.7, w.traits.bucket_shares.empty() ? 1 : kFixed);
    if (w.grad_bytes > 0) {
      set(prior, kWireBytes, std::log(w.grad_bytes), 0.1);
    } else {
      set(prior, kWireBytes, std::log(kTypicalBytes * typical[i] / step), 2);
    }
    priors.workloads.push_back(prior);
  }
  return priors;
}

}  // namespace forerun
