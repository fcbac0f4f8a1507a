// How much what a few steps in a row say varies with time.
#pragma once

#include <vector>

namespace forerun {

/// What one mean step time is to the fit.
inline constexpr int kStepsOfAMean = 16;

/// Relative variance of what kStepsOfAMean steps in a row report as their median, from a longer
/// series in the order of time: the spread of the medians of consecutive blocks, so that drift
/// counts and not only jitter. With fewer than three such blocks it is that of shorter blocks,
/// which is rather too large: drift does not average out. 0 for fewer than 6 values.
double relative_block_variance(const std::vector<double>& values);

/// Relative variance of the median of all of them, by relative_block_variance().
double relative_median_variance(const std::vector<double>& values);

}  // namespace forerun
