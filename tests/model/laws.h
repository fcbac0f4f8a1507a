// Random inputs for properties that must hold whatever the numbers are.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <vector>

#include "model/placement.h"

namespace forerun {

/// A number between 10^low and 10^high, even in its logarithm.
inline double log_uniform(double low, double high) {
  const int step = *rc::gen::inRange(0, 10001);
  return std::pow(10.0, low + (high - low) * step / 10000);
}

inline int between(int least, int most) { return *rc::gen::inRange(least, most + 1); }

/// 1 to 8 nodes of 1 to 16 ranks each.
inline Placement any_placement() {
  std::vector<int> ranks(static_cast<size_t>(between(1, 8)));
  for (int& r : ranks) r = between(1, 16);
  return Placement(std::move(ranks));
}

}  // namespace forerun
