// Intervals of workloads that were measured on one rank only, checked on the cluster's other
// workloads.
#pragma once

#include <cstddef>

#include "model/io/calibration.h"

namespace forerun {

/// What the standard deviations of a workload that was measured on one rank only must be multiplied
/// by on several. Each workload of the network that was measured on several, and whose bytes are
/// known, is predicted from its one-rank rows as if nothing else had been measured of it; by how
/// many standard deviations that misses is how wrong they are for a workload like it, and the one
/// asked about may be like any: interval_scale(), but never less than 1. The others shaped the
/// network, so that they are hit says little; that they are missed says much. It may be as
/// irregular as any of them, too: interval_scale() of their amplitudes.
double lone_interval_scale(const Calibration& calibration, int network, size_t hypothesis);

}  // namespace forerun
