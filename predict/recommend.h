// Choosing among candidates, and saying why.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "predict/forecast.h"

namespace forerun {

/// What one candidate costs in the objective's currency, with its 90 % interval. Less is better.
struct Score {
  double value = 0, low = 0, high = 0;

  /// True if nobody can tell from these two which is better: one's estimate lies inside the other's
  /// interval.
  bool ties_with(const Score& other) const {
    return value < other.value ? other.low <= value || high >= other.value
                               : low <= other.value || other.high >= value;
  }
};

/// Time that a unit of progress takes: seconds per sample, or, where the batch varies and the noise
/// scale is known, seconds per sample x (1 + B/B_noise).
Score time_score(const Candidate& candidate, const Question& question, const Subject& subject);
/// The same in GPU seconds.
Score cost_score(const Candidate& candidate, const Question& question, const Subject& subject);

/// The choice among feasible, predicted candidates; nullopt if there is none. Among candidates that
/// tie it takes the fewest GPUs.
std::optional<Recommendation> recommend(const std::vector<Candidate>& candidates,
                                        const Question& question, const Subject& subject);

/// The GPU count that makes speedup x efficiency largest among the feasible candidates of one
/// global batch: beyond it, GPUs cost more than they bring. Source: Eager, Zahorjan, Lazowska,
/// Speedup Versus Efficiency in Parallel Systems (1989): the knee maximizes efficiency / execution
/// time.
std::optional<int> knee(const std::vector<Candidate>& candidates, long global_batch);

/// `61 % compute, 27 % exposed all-reduce, 9 % waiting`: parts of at least 1 %, largest first.
std::string dominant_terms(const StepTime<>& parts);

}  // namespace forerun
