#include "measure/stop_rule.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/error.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr double kSettled = 1.10;

/// The largest k >= 1 with P(Binomial(n, 1/2) < k) <= 2.5 %; 1 where there is none.
int lower_rank(int n) {
  double term = std::pow(0.5, n);  // P(X = 0)
  double below = 0;                // P(X < k)
  int k = 0;
  while (below + term <= 0.025 && k < n / 2) {
    below += term;
    term *= static_cast<double>(n - k) / (k + 1);
    ++k;
  }
  return std::max(k, 1);
}

}  // namespace

double MedianInterval::relative_half_width() const {
  return median > 0 ? (high - low) / 2 / median : std::numeric_limits<double>::infinity();
}

MedianInterval median_interval(std::vector<double> samples) {
  if (samples.empty()) throw Error("median of no samples");
  std::sort(samples.begin(), samples.end());
  const int n = static_cast<int>(samples.size());
  // 0.5^n underflows beyond a thousand samples; the normal approximation is exact enough by then.
  const int k = n <= 1000 ? lower_rank(n)
                          : static_cast<int>(std::floor(n / 2.0 - 0.98 * std::sqrt(double(n))));
  MedianInterval interval{median(samples), samples[k - 1], samples[n - k]};
  if (n < 2) interval.high = std::numeric_limits<double>::infinity();
  return interval;
}

int warmup_steps(const std::vector<double>& step_times_s) {
  const int n = static_cast<int>(step_times_s.size());
  int drop = std::min(kLeastWarmup, n);
  while (drop + 1 < n / 2) {
    const double pair = 0.5 * (step_times_s[drop] + step_times_s[drop + 1]);
    const double rest = median({step_times_s.begin() + drop + 1, step_times_s.end()});
    if (pair <= kSettled * rest) break;
    ++drop;
  }
  return drop;
}

std::vector<double> half_widths(const std::vector<Blocks>& configurations) {
  const std::vector<Repeatability> repeats = repeatability(configurations);
  std::vector<double> widths;
  for (size_t i = 0; i < configurations.size(); ++i) {
    std::vector<double> steps;
    for (const auto& block : configurations[i])
      steps.insert(steps.end(), block.begin(), block.end());
    if (steps.empty()) {
      widths.push_back(std::numeric_limits<double>::infinity());
      continue;
    }
    const double of_steps = steps.size() > 1 ? median_interval(steps).relative_half_width() : 0;
    widths.push_back(std::max(of_steps, repeats[i].half_width()));
  }
  return widths;
}

bool precise_enough(size_t samples, double relative_half_width, const StopGoal& goal) {
  if (samples >= goal.most_samples) return true;
  return samples >= kLeastSamples && relative_half_width <= goal.relative_half_width;
}

}  // namespace forerun
