#include "measure/plan.h"

#include <algorithm>
#include <set>

#include "model/error.h"

namespace forerun {
namespace {

/// Half of the smallest and one and a half of the largest: near enough to interpolate, and the
/// largest is what costs.
void add_neighbours(std::set<int>& batches) {
  const int smallest = *batches.begin(), largest = *batches.rbegin();
  if (smallest > 1) batches.insert(smallest / 2);
  batches.insert(largest + std::max(1, largest / 2));
}

}  // namespace

std::string Question::text() const {
  return model + (strategy == "ddp" ? "" : " (" + strategy + ")") + ", " +
         std::to_string(world_size) + (world_size == 1 ? " rank x " : " ranks x ") +
         std::to_string(local_batch);
}

std::vector<int> default_world_sizes(int most) {
  std::vector<int> sizes;
  for (int n = 1; n < most; n *= 2) sizes.push_back(n);
  sizes.push_back(most);
  return sizes;
}

std::vector<int> local_batch_grid(const std::vector<int>& global_batches,
                                  const std::vector<int>& world_sizes, int world_size) {
  std::set<int> batches;
  for (const int global : global_batches) {
    for (const int n : world_sizes) {
      const bool here = n == world_size || world_size == 1;
      if (here && global >= n && global % n == 0) batches.insert(global / n);
    }
  }
  if (batches.empty()) return {};
  add_neighbours(batches);
  const size_t least = world_size == 1 ? 4 : 3;
  while (batches.size() < least) {
    const int smallest = *batches.begin(), largest = *batches.rbegin();
    batches.insert(smallest > 1 ? smallest / 2 : largest + std::max(1, largest / 2));
  }
  return {batches.begin(), batches.end()};
}

void require_divisible(const std::vector<int>& global_batches, const std::vector<int>& world_sizes,
                       int accumulation) {
  for (const int batch : global_batches) {
    for (const int n : world_sizes) {
      const int parts = n * accumulation;
      if (batch >= parts && batch % parts == 0) continue;
      const int below = batch / parts * parts, above = below + parts;
      const std::string nearest = below > 0 ? std::to_string(below) + " or " + std::to_string(above)
                                            : std::to_string(above);
      throw UsageError(
          "--batch " + std::to_string(batch) + " cannot be split evenly over " + std::to_string(n) +
          " ranks" +
          (accumulation > 1 ? " x " + std::to_string(accumulation) + " micro-steps" : "") +
          "; take " + nearest + ", or other --world-sizes");
    }
  }
}

}  // namespace forerun
