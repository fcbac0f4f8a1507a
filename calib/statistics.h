// Order statistics of small samples.
#pragma once

#include <vector>

namespace forerun {

/// q in [0, 1], linear between order statistics. Throws Error if `values` is empty.
double quantile(std::vector<double> values, double q);
inline double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

/// Relative variance of what 16 steps in a row report as their median, from a longer series in the
/// order of time: the spread of the medians of consecutive blocks, so that drift counts and not
/// only jitter. With fewer than three blocks of 16 it is that of shorter blocks, which is rather
/// too large: drift does not average out. 0 for fewer than 6 values.
double relative_block_variance(const std::vector<double>& values);

}  // namespace forerun
