#include "model/repeatability.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/statistics.h"

namespace forerun {
namespace {

constexpr double kUsualFreedom = 2;

double log_median(std::vector<double> values) {
  for (double& value : values) value = std::log(value);
  return median(std::move(values));
}

/// Of the blocks' medians around their mean.
double sum_of_squares(const Blocks& blocks) {
  std::vector<double> medians;
  double mean = 0;
  for (const std::vector<double>& block : blocks) {
    medians.push_back(log_median(block));
    mean += medians.back() / static_cast<double>(blocks.size());
  }
  double sum = 0;
  for (const double m : medians) sum += (m - mean) * (m - mean);
  return sum;
}

/// Student's t at 97.5 %. Source: Abramowitz and Stegun 26.7.5, the expansion around the normal
/// quantile: good to 0.3 % at 4 degrees of freedom, better beyond.
double student_975(double freedom) {
  const double z = 1.959964, z2 = z * z, n = freedom;
  return z * (1 + (z2 + 1) / (4 * n) + (5 * z2 * z2 + 16 * z2 + 3) / (96 * n * n) +
              (3 * z2 * z2 * z2 + 19 * z2 * z2 + 17 * z2 - 15) / (384 * n * n * n));
}

}  // namespace

double Repeatability::half_width() const { return student_975(freedom) * std::sqrt(variance()); }

std::vector<Repeatability> repeatability(const std::vector<Blocks>& configurations) {
  std::vector<double> own;
  double squares = kUsualFreedom * kUsualSpread * kUsualSpread, freedom = kUsualFreedom;
  for (const Blocks& blocks : configurations) {
    own.push_back(blocks.empty() ? 0 : sum_of_squares(blocks));
    squares += own.back();
    freedom += blocks.empty() ? 0 : static_cast<double>(blocks.size() - 1);
  }
  const double pooled = squares / freedom;
  std::vector<Repeatability> out;
  for (size_t i = 0; i < own.size(); ++i) {
    const auto blocks = static_cast<double>(configurations[i].size());
    const double known = std::max(blocks - 1, 0.0) + kPooledFreedom;
    out.push_back({(own[i] + kPooledFreedom * pooled) / known, known, blocks});
  }
  return out;
}

}  // namespace forerun
