// Samples held in two tensors, and what the readers of image files share.
#pragma once

#include <filesystem>
#include <string>

#include "measure/data/dataset.h"

namespace forerun {

class MemoryDataset : public Dataset {
 public:
  /// `samples` are those in memory; sample i of `size` is samples[i modulo their number].
  MemoryDataset(Batch samples, InputShape shape, int classes, int64_t size);

  int64_t size() const override { return size_; }
  InputShape shape() const override { return shape_; }
  int classes() const override { return classes_; }
  Batch get(const std::vector<int64_t>& indices) const override;

 private:
  Batch samples_;
  InputShape shape_;
  int classes_;
  int64_t size_;
};

/// Images as bytes [n x C x H x W] and their classes [n] int64.
struct RawImages {
  torch::Tensor pixels, labels;
};

/// Shifts and scales both by the training images' mean and deviation per channel. `held_out` may be
/// empty. `classes`: the largest label of both, plus one.
DataSplit normalized_split(const RawImages& train, const RawImages& held_out);

/// Folders of known files; false where the folder holds none of them.
bool is_idx_folder(const std::filesystem::path& folder);
DataSplit load_idx(const std::filesystem::path& folder);
bool is_cifar_folder(const std::filesystem::path& folder);
DataSplit load_cifar(const std::filesystem::path& folder);

}  // namespace forerun
