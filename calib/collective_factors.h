// Collectives other than the all-reduce: what a sweep saw of them beyond their formulas.
#pragma once

#include <string>
#include <vector>

#include "model/collective_kind.h"
#include "model/io/profile.h"

namespace forerun {

/// Of the collectives that a strategy sends, where they ran between the ranks that it sends them
/// between: busbw of an all-reduce over theirs, same placement and nearest size, the median over
/// sizes whose time is a matter of bandwidth, for each level by itself. 1 where no all-reduce was
/// swept beside them.
CollectiveFactors collective_factors(const std::string& strategy,
                                     const std::vector<SweepPoint>& sweeps);

}  // namespace forerun
