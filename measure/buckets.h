// Which gradients travel together: buckets as PyTorch's DistributedDataParallel makes them.
#pragma once

#include <cstddef>
#include <vector>

namespace forerun {

struct BucketLimits {
  size_t first_bytes = size_t{1} << 20;  ///< small, so that the network starts early
  size_t cap_bytes = size_t{25} << 20;
};

/// Parameters per bucket, in the order of launch.
using BucketAssignment = std::vector<std::vector<int>>;

/// Fills buckets with the parameters in `ready_order` (indices into `sizes_bytes`). A bucket is
/// closed once it holds at least its limit, so it overshoots by up to one parameter; the first has
/// its own limit. Throws Error unless `ready_order` is a permutation.
/// Source: compute_bucket_assignment_by_size() in PyTorch's
/// torch/csrc/distributed/c10d/reducer.cpp.
BucketAssignment assign_buckets(const std::vector<size_t>& sizes_bytes,
                                const std::vector<int>& ready_order, const BucketLimits& limits);

}  // namespace forerun
