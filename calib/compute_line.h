// The compute curve as one-rank points draw it: a straight line, and what the line misses.
#pragma once

#include <vector>

#include "calib/evidence.h"

namespace forerun {

/// launch + per_sample * b, in seconds, each with the sd of its logarithm.
struct ComputeLine {
  double launch = 0, launch_sd = 0.3;
  double per_sample = 0, per_sample_sd = 0.3;

  double at(double batch) const { return launch + per_sample * batch; }
};

/// Through the fastest way each batch was run (one rank alone, where that was measured), by
/// relative least squares with both terms >= 0, without slips: times that the neighbouring batches
/// leave no room for, unless other scales agree with them; or that a step of several ranks is
/// shorter than. One batch does not tell launch from time per sample, and several ranks do not tell
/// compute from communication: the standard deviations say so. `points` must not be empty.
ComputeLine compute_line(const std::vector<FitPoint>& points);

/// What the line misses at the batches that one rank ran; empty for fewer than three of them: then
/// the line says all.
CurveShape shape_around(const ComputeLine& line, const std::vector<FitPoint>& points);

/// How the curve wanders between batches that were measured and beyond them, as a Brownian path
/// does: variance of ln compute a doubling of the batch, from leaving each inner batch out.
double curve_variance(const ComputeLine& line, const std::vector<FitPoint>& points);

}  // namespace forerun
