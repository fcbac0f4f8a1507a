#include "model/compute.h"

#include <algorithm>

namespace forerun {

double CurveShape::at(double batch) const {
  if (log_batch.empty()) return 1.0;
  const double x = std::log(batch);
  const auto above = std::lower_bound(log_batch.begin(), log_batch.end(), x);
  if (above == log_batch.begin()) return std::exp(log_factor.front());
  if (above == log_batch.end()) return std::exp(log_factor.back());
  const auto i = static_cast<size_t>(above - log_batch.begin());
  const double u = (x - log_batch[i - 1]) / (log_batch[i] - log_batch[i - 1]);
  return std::exp((1 - u) * log_factor[i - 1] + u * log_factor[i]);
}

}  // namespace forerun
