// When a GPU has settled: clocks rise as work begins, and sink as the chip warms. Pure functions.
#pragma once

#include <vector>

namespace forerun {

/// A block of steps of one configuration.
struct BlockState {
  double step_time_s = 0;  ///< median
  double sm_clock_hz = 0;  ///< 0: unknown
};

/// Clock and step time within this of what follows count as settled: the goal of the stop rule.
inline constexpr double kSettledWithin = 0.02;

/// How many blocks at the start to drop: as long as clock or step time is further than
/// kSettledWithin from the medians of all blocks that follow, at most half of them. 0 where clocks
/// are unknown, as on CPUs.
int unsettled_blocks(const std::vector<BlockState>& blocks);

}  // namespace forerun
