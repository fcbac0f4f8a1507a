// Order statistics of small samples.
#pragma once

#include <utility>
#include <vector>

namespace forerun {

/// 95 % quantile of the normal distribution: a 90 % interval is +- this many standard deviations.
inline constexpr double kNormal90 = 1.6448536269514722;

/// The value below which a share q in [0, 1] lies, linear between order statistics (Hyndman and Fan
/// 1996, definition 7). Throws Error if `values` is empty.
double quantile(std::vector<double> values, double q);

/// The middle value, or the mean of the two in the middle. Throws Error if `values` is empty.
inline double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

/// 0 where `values` is empty: a part of the step that was not timed.
inline double median_or_zero(std::vector<double> values) {
  return values.empty() ? 0 : median(std::move(values));
}

}  // namespace forerun
