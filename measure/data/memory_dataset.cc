#include "measure/data/memory_dataset.h"

#include <algorithm>

#include "model/error.h"

namespace forerun {

MemoryDataset::MemoryDataset(Batch samples, InputShape shape, int classes, int64_t size)
    : samples_(std::move(samples)), shape_(shape), classes_(classes), size_(size) {}

Batch MemoryDataset::get(const std::vector<int64_t>& indices) const {
  torch::Tensor rows = torch::empty({static_cast<int64_t>(indices.size())}, torch::kInt64);
  int64_t* row = rows.data_ptr<int64_t>();
  for (int64_t index : indices) {
    if (index < 0 || index >= size_) {
      throw Error("sample " + std::to_string(index) + " of " + std::to_string(size_));
    }
    *row++ = index % samples_.targets.size(0);
  }
  return {samples_.inputs.index_select(0, rows), samples_.targets.index_select(0, rows)};
}

DataSplit normalized_split(const RawImages& train, const RawImages& held_out) {
  const torch::Tensor pixels = train.pixels.to(torch::kFloat32);
  const torch::Tensor mean = pixels.mean({0, 2, 3}, true);
  const torch::Tensor deviation =
      (pixels - mean).square().mean({0, 2, 3}, true).sqrt().clamp_min(1);
  const auto largest = [](const RawImages& images) {
    return images.labels.defined() ? images.labels.max().item<int64_t>() : 0;
  };
  const int classes = static_cast<int>(1 + std::max(largest(train), largest(held_out)));
  const auto dataset = [&](const RawImages& images) -> std::shared_ptr<Dataset> {
    if (!images.labels.defined()) return nullptr;
    const auto length = [&](int i) { return static_cast<int>(images.pixels.size(i)); };
    return std::make_shared<MemoryDataset>(
        Batch{(images.pixels.to(torch::kFloat32) - mean) / deviation, images.labels},
        InputShape::image(length(1), length(2), length(3)), classes, images.labels.size(0));
  };
  return {dataset(train), dataset(held_out)};
}

DataSplit load_data(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) {
    throw Error(folder.string() + ": no such folder (expected one with MNIST's IDX files or " +
                "CIFAR-10's binary files)");
  }
  if (is_idx_folder(folder)) return load_idx(folder);
  if (is_cifar_folder(folder)) return load_cifar(folder);
  throw Error(folder.string() + ": holds no data that we read: neither train-images-idx3-ubyte " +
              "(MNIST) nor data_batch_1.bin (CIFAR-10, binary version)");
}

}  // namespace forerun
