#include "calib/log_interval.h"

#include <algorithm>
#include <cmath>

#include "model/statistics.h"

namespace forerun {
namespace {

/// P(ln T <= x) under a mixture.
double mixture_cdf(const std::vector<LogNormal>& parts, const std::vector<double>& weights,
                   double x) {
  double p = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    p += weights[i] * 0.5 * std::erfc((parts[i].mean - x) / std::sqrt(2 * parts[i].variance));
  }
  return p;
}

/// The x where the mixture's distribution reaches `p` (0.05, 0.5 or 0.95), by bisection between the
/// parts' own quantiles.
double mixture_quantile(const std::vector<LogNormal>& parts, const std::vector<double>& weights,
                        double p) {
  const double z = p == 0.5 ? 0 : p < 0.5 ? -kNormal90 : kNormal90;
  double low = 1e300, high = -1e300;
  for (const LogNormal& part : parts) {
    const double own = part.mean + z * std::sqrt(part.variance);
    low = std::min(low, own);
    high = std::max(high, own);
  }
  constexpr int kMostHalvings = 60;  // a double has no more
  for (int i = 0; i < kMostHalvings && high - low > 1e-6; ++i) {
    const double middle = 0.5 * (low + high);
    (mixture_cdf(parts, weights, middle) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

LogInterval interval_of(const std::vector<LogNormal>& hypotheses,
                        const std::vector<double>& weights, int measured_max_nodes) {
  const double point = measured_max_nodes >= 3 ? hypotheses.front().mean
                                               : mixture_quantile(hypotheses, weights, 0.5);
  // At the edge of what the mixture believes the first one's mean may lie outside.
  return {point, std::min(mixture_quantile(hypotheses, weights, 0.05), point),
          std::max(mixture_quantile(hypotheses, weights, 0.95), point)};
}

LogInterval around(double baseline, double missed, const LogInterval& model) {
  return {baseline, std::min(model.low, baseline - missed),
          std::max(model.high, baseline + missed)};
}

}  // namespace forerun
