#include "measure/gpu/settle.h"

#include <algorithm>
#include <cmath>

#include "model/statistics.h"

namespace forerun {
namespace {

/// Whether the first of `blocks`, by one of its numbers, is where the others are.
bool is_near(const std::vector<BlockState>& blocks, double BlockState::*number) {
  std::vector<double> rest;
  for (size_t i = 1; i < blocks.size(); ++i) rest.push_back(blocks[i].*number);
  const double usual = median(rest);
  return std::abs(blocks.front().*number - usual) <= kSettledWithin * usual;
}

}  // namespace

int unsettled_blocks(const std::vector<BlockState>& blocks) {
  if (std::ranges::any_of(blocks, [](const BlockState& b) { return b.sm_clock_hz <= 0; })) return 0;
  const int most = static_cast<int>(blocks.size()) / 2;
  int drop = 0;
  while (drop < most) {
    const std::vector<BlockState> left(blocks.begin() + drop, blocks.end());
    if (is_near(left, &BlockState::sm_clock_hz) && is_near(left, &BlockState::step_time_s)) break;
    ++drop;
  }
  return drop;
}

}  // namespace forerun
