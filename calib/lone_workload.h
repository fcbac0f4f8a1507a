// Intervals of workloads that were measured on one rank only, checked on the cluster's other
// workloads.
#pragma once

#include <cstddef>
#include <vector>

#include "model/io/calibration.h"

namespace forerun {

/// What the standard deviations of a workload that was measured on one rank only must be multiplied
/// by on several. Each workload of the network that was measured on several, and whose bytes are
/// known, is predicted from its one-rank rows as if nothing else had been measured of it; by how
/// many standard deviations that misses is how wrong they are for a workload like it, and the one
/// asked about may be like any. 1 where fewer than two can tell.
double lone_interval_scale(const Calibration& calibration, int network, size_t hypothesis);

/// Half the width of the 90 % interval of normals with these standard deviations, one as likely as
/// another, over that of a normal with sd 1. `sds` must not be empty; each is above 0.
double mixture_scale(const std::vector<double>& sds);

}  // namespace forerun
