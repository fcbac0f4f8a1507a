// How well a measured step time repeats at another time. Steps of one block run in a row and share
// what the machine was doing: its clock, its neighbours, its memory. So it is blocks that repeat
// each other, not steps.
#pragma once

#include <vector>

namespace forerun {

/// Step times of one configuration in seconds, block by block; none of the blocks is empty.
using Blocks = std::vector<std::vector<double>>;

/// A configuration's median step time as an estimate of what other blocks would say.
struct Repeatability {
  double block_variance = 0;  ///< relative, of what one block says
  double freedom = 0;         ///< degrees of it that are known
  double blocks = 0;

  /// Relative, of the median over all blocks.
  double variance() const { return block_variance / blocks; }
  /// Relative, of its 95 % confidence interval by Student's t.
  double half_width() const;
};

/// The variance of a block's median, in logarithms. A configuration has few blocks, and all drift
/// with one machine: so each starts from the pooled variance, as if that were kPooledFreedom
/// further degrees of its own, and the pooled one from kUsualSpread, as if that had been seen
/// twice. Source: Smyth 2004 (limma), equation 6, with fixed degrees. Configurations without a
/// block get blocks = 0.
std::vector<Repeatability> repeatability(const std::vector<Blocks>& configurations);

inline constexpr double kPooledFreedom = 4;
inline constexpr double kUsualSpread = 0.02;  ///< between blocks on a machine of one's own

}  // namespace forerun
