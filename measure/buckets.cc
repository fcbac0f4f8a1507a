#include "measure/buckets.h"

#include <string>

#include "model/error.h"

namespace forerun {
namespace {

void require_permutation(const std::vector<int>& order, size_t count) {
  std::vector<bool> seen(count, false);
  for (const int i : order) {
    if (i < 0 || static_cast<size_t>(i) >= count || seen[i]) {
      throw Error("gradient order names parameter " + std::to_string(i) +
                  " twice or beyond the last one (" + std::to_string(count) + " parameters)");
    }
    seen[i] = true;
  }
  if (order.size() != count) {
    throw Error("gradient order holds " + std::to_string(order.size()) + " of " +
                std::to_string(count) + " parameters");
  }
}

}  // namespace

BucketAssignment assign_buckets(const std::vector<size_t>& sizes_bytes,
                                const std::vector<int>& ready_order, const BucketLimits& limits) {
  require_permutation(ready_order, sizes_bytes.size());
  BucketAssignment buckets;
  std::vector<int> open;
  size_t bytes = 0;
  for (const int i : ready_order) {
    open.push_back(i);
    bytes += sizes_bytes[i];
    if (bytes >= (buckets.empty() ? limits.first_bytes : limits.cap_bytes)) {
      buckets.push_back(std::move(open));
      open.clear();
      bytes = 0;
    }
  }
  if (!open.empty()) buckets.push_back(std::move(open));
  return buckets;
}

}  // namespace forerun
