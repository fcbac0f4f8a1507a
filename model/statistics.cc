#include "model/statistics.h"

#include <algorithm>

#include "model/error.h"

namespace forerun {

double quantile(std::vector<double> values, double q) {
  if (values.empty()) throw Error("quantile of no values");
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = values.begin() + static_cast<std::ptrdiff_t>(at);
  std::nth_element(values.begin(), below, values.end());
  const double share = at - static_cast<double>(below - values.begin());
  if (share == 0) return *below;
  return (1 - share) * *below + share * *std::min_element(below + 1, values.end());
}

}  // namespace forerun
