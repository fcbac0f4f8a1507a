// When to stop measuring, as pure functions of the samples: tested without training.
#pragma once

#include <cstddef>
#include <vector>

#include "model/repeatability.h"

namespace forerun {

/// Steps at the start that never count: the first learns the bucket order and grows the allocator,
/// the second is the first with the final buckets.
inline constexpr int kLeastWarmup = 2;
/// Fewer samples have no 95 % interval of the median: with six, the smallest and the largest are
/// one (1 - 2 / 2^6 = 96.9 %).
inline constexpr size_t kLeastSamples = 6;

struct StopGoal {
  double relative_half_width = 0.02;  ///< of the 95 % confidence interval of the median
  size_t most_samples = 400;
};

struct MedianInterval {
  double median = 0;
  double low = 0, high = 0;  ///< at least 95 % confidence; smallest and largest below six samples
  /// (high - low) / 2 / median; infinity below two samples.
  double relative_half_width() const;
};

/// Distribution-free: order statistics k and n+1-k, with the largest k whose binomial tail is at
/// most 2.5 %. Source: Conover, Practical Nonparametric Statistics, section 3.2. Throws Error if
/// empty.
MedianInterval median_interval(std::vector<double> samples);

/// How many steps at the start to drop: at least kLeastWarmup, and as long as the mean of a step
/// and the next one stays beyond 10 % above the median of all that follow, but never more than half
/// of the steps.
int warmup_steps(const std::vector<double>& step_times_s);

/// Relative, of the 95 % confidence interval of each configuration's median step time: the larger
/// of what its steps say and what its blocks say, see repeatability(). Infinity without blocks.
std::vector<double> half_widths(const std::vector<Blocks>& configurations);

/// True once enough is known: kLeastSamples and the goal reached, or most_samples.
bool precise_enough(size_t samples, double relative_half_width, const StopGoal& goal);

}  // namespace forerun
