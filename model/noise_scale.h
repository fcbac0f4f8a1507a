// Statistical efficiency: how many more samples a larger batch needs for the same progress.
//
// Source: McCandlish et al., An Empirical Model of Large-Batch Training (2018), equations 2.11 and
// A.2.
#pragma once

namespace forerun {

/// Steps to a target, relative to an infinitely large batch: 1 + B_noise / B.
inline double relative_steps(double global_batch, double noise_scale) {
  return 1.0 + noise_scale / global_batch;
}

/// Samples to a target, relative to a vanishing batch: 1 + B / B_noise.
inline double relative_samples(double global_batch, double noise_scale) {
  return 1.0 + global_batch / noise_scale;
}

/// What one step's gradient norms say about the noise, from n ranks of b samples each.
struct GradientNorms {
  double mean_local_sqr;  ///< mean over ranks of |g_i|^2
  double total_sqr;       ///< |mean over ranks of g_i|^2
  int world_size;         ///< n >= 2
  int local_batch;        ///< b
};

/// Unbiased |G|^2 of one step. Average over steps before dividing: single-step ratios are biased.
inline double gradient_sqr(const GradientNorms& g) {
  return (g.world_size * g.total_sqr - g.mean_local_sqr) / (g.world_size - 1);
}

/// Unbiased trace of the per-sample covariance. B_noise = mean(trace) / mean(gradient_sqr).
inline double covariance_trace(const GradientNorms& g) {
  return static_cast<double>(g.local_batch) * g.world_size * (g.mean_local_sqr - g.total_sqr) /
         (g.world_size - 1);
}

}  // namespace forerun
