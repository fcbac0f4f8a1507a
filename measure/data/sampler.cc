#include <algorithm>
#include <numeric>
#include <random>

#include "measure/data/dataset.h"
#include "model/error.h"

namespace forerun {

Sampler::Sampler(int64_t size, int64_t global_batch, uint64_t seed)
    : size_(size), global_batch_(global_batch), seed_(seed) {
  if (global_batch < 1 || global_batch > size) {
    throw UsageError("a batch of " + std::to_string(global_batch) + " from " +
                     std::to_string(size) + " samples (must be 1 to " + std::to_string(size) + ")");
  }
}

std::vector<int64_t> Sampler::share(int64_t step, int rank, int world_size) const {
  if (world_size < 1 || global_batch_ % world_size != 0 || rank < 0 || rank >= world_size) {
    throw UsageError("rank " + std::to_string(rank) + " of " + std::to_string(world_size) +
                     " cannot take an equal share of a batch of " + std::to_string(global_batch_));
  }
  const std::vector<int64_t>& order = permutation(step / steps_per_epoch());
  const int64_t share = global_batch_ / world_size;
  const auto first = order.begin() + (step % steps_per_epoch()) * global_batch_ + rank * share;
  return {first, first + share};
}

const std::vector<int64_t>& Sampler::permutation(int64_t epoch) const {
  if (epoch != cached_epoch_) {
    cached_.resize(static_cast<size_t>(size_));
    std::iota(cached_.begin(), cached_.end(), 0);
    std::seed_seq seeds{seed_ & 0xffffffffu, seed_ >> 32, static_cast<uint64_t>(epoch)};
    std::mt19937_64 random(seeds);
    // Fisher-Yates by hand: std::shuffle differs between standard libraries, ranks must not.
    for (int64_t left = size_; left > 1; --left) {
      std::swap(cached_[static_cast<size_t>(left - 1)],
                cached_[random() % static_cast<uint64_t>(left)]);
    }
    cached_epoch_ = epoch;
  }
  return cached_;
}

}  // namespace forerun
