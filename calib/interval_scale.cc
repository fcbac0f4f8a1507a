#include "calib/interval_scale.h"

#include <algorithm>
#include <cmath>

#include "model/statistics.h"

namespace forerun {

double mixture_scale(const std::vector<double>& sds) {
  double low = 0, high = kNormal90 * *std::max_element(sds.begin(), sds.end());
  while (high - low > 1e-6) {
    const double middle = 0.5 * (low + high);
    double outside = 0;
    for (const double sd : sds) outside += std::erfc(middle / (std::sqrt(2.0) * sd));
    (outside > 0.1 * static_cast<double>(sds.size()) ? low : high) = middle;
  }
  return 0.5 * (low + high) / kNormal90;
}

double interval_scale(std::vector<double> misses, size_t believed) {
  constexpr double kLeastMiss = 1e-3;  // of a workload that is hit exactly
  if (misses.empty()) return 1;
  const bool alone = misses.size() == 1;
  for (double& miss : misses) miss = std::max(miss, kLeastMiss);
  misses.insert(misses.end(), believed, 1.0);
  return alone ? std::max(1.0, mixture_scale(misses)) : mixture_scale(misses);
}

}  // namespace forerun
