// Real data, real accuracy.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <numeric>

#include "measure/data/dataset.h"
#include "measure/zoo/zoo.h"

namespace forerun {
namespace {

TEST(Digits, MnistCnnReachesNinetyFivePercentOnImagesThatItNeverSaw) {
  torch::set_num_threads(1);
  const DataSplit data =
      load_data(std::filesystem::path(FORERUN_SOURCE_DIR) / "examples/data/digits");
  const auto network = build_network(find_workload("mnist-cnn", data.train->shape().text()), 1);
  torch::optim::SGD optimizer(network->parameters(), torch::optim::SGDOptions(0.02).momentum(0.9));
  const Sampler sampler(data.train->size(), 64, 1);
  for (int64_t step = 0; step < 10 * sampler.steps_per_epoch(); ++step) {
    const Batch batch = data.train->get(sampler.share(step, 0, 1));
    optimizer.zero_grad();
    cross_entropy(network->forward(batch.inputs), batch.targets).backward();
    optimizer.step();
  }
  std::vector<int64_t> all(static_cast<size_t>(data.held_out->size()));
  std::iota(all.begin(), all.end(), 0);
  const Batch held_out = data.held_out->get(all);
  EXPECT_GE(accuracy(network->forward(held_out.inputs), held_out.targets), 0.95);
}

}  // namespace
}  // namespace forerun
