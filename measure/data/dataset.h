// Samples in memory, and which of them each rank trains on.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "measure/data/input_shape.h"

namespace forerun {

/// inputs   [n x C x H x W] float32, or [n x tokens] int64
/// targets  [n] int64 class, or [n x tokens] int64 where every token has one
struct Batch {
  torch::Tensor inputs, targets;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual InputShape shape() const = 0;
  /// Targets are 0 .. classes() - 1.
  virtual int classes() const = 0;
  /// The samples at these indices (0 .. size() - 1), in this order, in memory of their own.
  virtual Batch get(const std::vector<int64_t>& indices) const = 0;
};

/// What to make up. The same description gives the same data on every rank and machine.
struct SyntheticData {
  InputShape shape;
  int classes = 10;
  int vocabulary = 0;      ///< texts: tokens are 0 .. vocabulary - 1
  bool per_token = false;  ///< a target for every token, as language models have
  int64_t size = 50000;    ///< of an epoch
  int64_t distinct = 256;  ///< samples that are kept in memory; sample i is i modulo distinct
  uint64_t seed = 0;
};

/// Images are standard normal, tokens and targets uniform. Throws Error unless sizes are >= 1.
std::shared_ptr<Dataset> make_synthetic(const SyntheticData& description);

/// `held_out` has the classes and shape of `train`, or is null where the data come without.
struct DataSplit {
  std::shared_ptr<Dataset> train, held_out;
};

/// A folder of MNIST's IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, and t10k-... as
/// held out) or of CIFAR-10's binary files (data_batch_1.bin ..., test_batch.bin as held out).
/// Pixels are shifted and scaled per channel to mean 0 and standard deviation 1 of the training
/// images. Throws Error naming the file, what is wrong with it, and the remedy.
DataSplit load_data(const std::filesystem::path& folder);

/// Which samples make up which step: one permutation per epoch, drawn from the seed, cut into
/// global batches, each cut into equal shares for the ranks. Whatever the number of ranks, a step
/// trains on the same samples; so do its loss and gradient not depend on it. A last, incomplete
/// batch is left out.
class Sampler {
 public:
  /// Throws UsageError unless 1 <= global_batch <= size.
  Sampler(int64_t size, int64_t global_batch, uint64_t seed);

  int64_t steps_per_epoch() const { return size_ / global_batch_; }
  /// The share of `rank` in `step` (counted from 0 through all epochs): global_batch / world_size
  /// indices. Throws UsageError where world_size does not divide the batch.
  std::vector<int64_t> share(int64_t step, int rank, int world_size) const;

 private:
  const std::vector<int64_t>& permutation(int64_t epoch) const;

  int64_t size_, global_batch_;
  uint64_t seed_;
  mutable int64_t cached_epoch_ = -1;
  mutable std::vector<int64_t> cached_;
};

}  // namespace forerun
