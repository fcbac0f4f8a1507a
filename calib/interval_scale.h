// How wide intervals must be, from how far predictions missed where they could be checked.
#pragma once

#include <cstddef>
#include <vector>

namespace forerun {

/// Half the width of the 90 % interval of normals with these standard deviations, one as likely as
/// another, over that of a normal with sd 1. `sds` must not be empty; each is above 0.
double mixture_scale(const std::vector<double>& sds);

/// What standard deviations must be multiplied by. `misses`: of each workload that could be
/// checked, the 90th percentile of the misses over what its intervals claimed (1: they were right).
/// Another prediction may miss like any of them, or be right as it is, which counts for `believed`
/// workloads. One workload alone makes intervals wider, never narrower; 1 for none.
double interval_scale(std::vector<double> misses, size_t believed);

}  // namespace forerun
