#include "measure/data/memory_dataset.h"
#include "model/error.h"

namespace forerun {

std::shared_ptr<Dataset> make_synthetic(const SyntheticData& description) {
  const InputShape& shape = description.shape;
  if (description.size < 1 || description.distinct < 1 || description.classes < 1 ||
      (shape.is_text() && description.vocabulary < 1)) {
    throw Error("synthetic data need a size, classes and, for texts, a vocabulary >= 1");
  }
  const int64_t distinct = std::min(description.distinct, description.size);
  torch::Generator random = at::detail::createCPUGenerator(description.seed);
  std::vector<int64_t> dimensions = shape.dimensions();
  dimensions.insert(dimensions.begin(), distinct);
  const auto integers = [&](int64_t below, const std::vector<int64_t>& sizes) {
    return torch::randint(below, sizes, random, torch::kInt64);
  };
  Batch samples;
  samples.inputs = shape.is_text() ? integers(description.vocabulary, dimensions)
                                   : torch::randn(dimensions, random);
  samples.targets = integers(description.classes,
                             description.per_token ? dimensions : std::vector<int64_t>{distinct});
  return std::make_shared<MemoryDataset>(samples, shape, description.classes, description.size);
}

}  // namespace forerun
