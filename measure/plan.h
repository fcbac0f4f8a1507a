// Which configurations a measurement asks for. Pure functions.
#pragma once

#include <string>
#include <vector>

namespace forerun {

/// One configuration of one model, to be measured.
struct Question {
  std::string model;
  std::string strategy = "ddp";
  int world_size = 1;
  int local_batch = 1;
  double flop_per_sample = 0;  ///< forward and backward; 0 where unknown

  /// `resnet18, 2 ranks x 64`
  std::string text() const;
};

/// 1, 2, 4, ... and `most` itself.
std::vector<int> default_world_sizes(int most);

/// Local batches to measure at `world_size`, so that any of `global_batches` can be answered on any
/// of `world_sizes` by interpolation: what those give there, and a neighbour on each side. On one
/// rank the compute curve is anchored: there it is the local batch of every world size, at least
/// four batches in all.
std::vector<int> local_batch_grid(const std::vector<int>& global_batches,
                                  const std::vector<int>& world_sizes, int world_size);

/// Throws UsageError naming the nearest batches that divide, if a global batch is not a whole
/// number of samples for each rank of each world size and each of `accumulation` micro-steps.
void require_divisible(const std::vector<int>& global_batches, const std::vector<int>& world_sizes,
                       int accumulation = 1);

}  // namespace forerun
