#include "calib/block_variance.h"

#include <algorithm>
#include <cmath>

#include "model/statistics.h"

namespace forerun {

double relative_block_variance(const std::vector<double>& values) {
  constexpr size_t kLeastBlocks = 3;
  if (values.size() < 2 * kLeastBlocks) return 0;
  const size_t size = std::min(size_t{kStepsOfAMean}, values.size() / kLeastBlocks);
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

double relative_median_variance(const std::vector<double>& values) {
  const double blocks = static_cast<double>(values.size()) / kStepsOfAMean;
  return relative_block_variance(values) / std::max(blocks, 1.0);
}

}  // namespace forerun
