#include "calib/statistics.h"

#include <algorithm>
#include <cmath>

#include "model/error.h"

namespace forerun {

double quantile(std::vector<double> values, double q) {
  if (values.empty()) throw Error("quantile of no values");
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  const double share = at - static_cast<double>(below);
  return (1 - share) * values[below] + share * values[above];
}

double relative_block_variance(const std::vector<double>& values) {
  constexpr size_t kBlock = 16, kLeastBlocks = 3;
  if (values.size() < 2 * kLeastBlocks) return 0;
  const size_t size = std::min(kBlock, values.size() / kLeastBlocks);
  const size_t blocks = values.size() / size;
  double sum = 0, squares = 0;
  for (size_t b = 0; b < blocks; ++b) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(b * size);
    const double log_median = std::log(median({first, first + static_cast<std::ptrdiff_t>(size)}));
    sum += log_median;
    squares += log_median * log_median;
  }
  const auto n = static_cast<double>(blocks);
  const double variance = std::max(0.0, (squares - sum * sum / n) / (n - 1));
  return variance;
}

}  // namespace forerun
