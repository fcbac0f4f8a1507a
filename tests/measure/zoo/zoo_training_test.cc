// Real forward and backward passes, on inputs small enough for a test.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "measure/data/dataset.h"
#include "measure/zoo/layers.h"
#include "measure/zoo/zoo.h"

namespace forerun {
namespace {

Batch synthetic_batch(const Workload& workload, int size) {
  const std::shared_ptr<Dataset> data = make_synthetic({.shape = workload.input,
                                                        .classes = workload.classes,
                                                        .vocabulary = workload.vocabulary,
                                                        .per_token = workload.per_token,
                                                        .size = size});
  std::vector<int64_t> all(static_cast<size_t>(size));
  for (int i = 0; i < size; ++i) all[static_cast<size_t>(i)] = i;
  return data->get(all);
}

struct Small {
  const char* name;
  const char* input;
  int classes;
  double learning_rate;
};

class ZooTraining : public testing::TestWithParam<Small> {};

TEST_P(ZooTraining, EveryWeightGetsAGradientAndTheLossFalls) {
  torch::set_num_threads(1);
  const Workload workload = find_workload(GetParam().name, GetParam().input, GetParam().classes);
  const std::shared_ptr<NeuralNetwork> network = build_network(workload, 3);
  const Batch batch = synthetic_batch(workload, 4);
  torch::optim::SGD optimizer(network->parameters(), GetParam().learning_rate);

  const auto step = [&] {
    optimizer.zero_grad();
    torch::manual_seed(5);  // the same dropout in every step: the loss is one function
    const torch::Tensor logits = network->forward(batch.inputs);
    EXPECT_EQ(logits.size(0), 4);
    EXPECT_EQ(logits.size(-1), workload.classes);
    EXPECT_EQ(logits.dim(), workload.per_token ? 3 : 2);
    const torch::Tensor loss = cross_entropy(logits, batch.targets);
    loss.backward();
    optimizer.step();
    return loss.item<double>();
  };

  const double first = step();
  for (const auto& parameter : network->named_parameters()) {
    EXPECT_TRUE(parameter->grad().defined()) << parameter.key();
  }
  double last = first;
  for (int i = 0; i < 3; ++i) last = step();
  EXPECT_LT(last, first);
}

INSTANTIATE_TEST_SUITE_P(
    All, ZooTraining,
    testing::Values(Small{"mnist-cnn", "1x8x8", 4, 0.1}, Small{"cifar-cnn", "3x16x16", 4, 0.05},
                    Small{"resnet18", "3x16x16", 4, 0.01}, Small{"resnet18", "3x72x72", 4, 0.01},
                    Small{"resnet50", "3x16x16", 4, 0.001},
                    Small{"densenet121", "3x64x64", 4, 0.003}, Small{"vgg16", "3x32x32", 4, 0.05},
                    Small{"mobilenet_v2", "3x64x64", 4, 0.01},
                    Small{"vit_b_16", "3x32x32", 4, 0.01}, Small{"bert-base", "8", 2, 0.002},
                    Small{"gpt2", "8", 100, 0.05}),
    [](const auto& test) {
      std::string name = std::string(test.param.name) + "_" + test.param.input;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST(Attention, CausalTokensDoNotSeeTheFuture) {
  torch::manual_seed(0);
  const torch::Tensor q = torch::randn({1, 2, 5, 4}), k = torch::randn({1, 2, 5, 4});
  const torch::Tensor v = torch::randn({1, 2, 5, 4});
  const torch::Tensor before = layers::attention(q, k, v, true, 0);
  const torch::Tensor other = v.clone();
  other.select(2, 4).fill_(9);
  const torch::Tensor after = layers::attention(q, k, other, true, 0);
  EXPECT_TRUE(before.narrow(2, 0, 4).equal(after.narrow(2, 0, 4)));
  EXPECT_FALSE(before.select(2, 4).equal(after.select(2, 4)));
  EXPECT_TRUE(before.select(2, 0).allclose(v.select(2, 0)));  // the first sees itself alone
}

TEST(Attention, IsAMeanOfValuesWhereKeysAreEqual) {
  const torch::Tensor q = torch::randn({1, 1, 3, 4}), k = torch::ones({1, 1, 3, 4});
  const torch::Tensor v = torch::randn({1, 1, 3, 4});
  EXPECT_TRUE(
      layers::attention(q, k, v, false, 0).allclose(v.mean(2, true).expand_as(v), 1e-5, 1e-6));
}

TEST(CrossEntropy, ByHand) {
  const torch::Tensor logits = torch::tensor({{0.0f, 0.0f}, {0.0f, std::log(3.0f)}});
  const torch::Tensor targets = torch::tensor({0, 1});
  EXPECT_NEAR(cross_entropy(logits, targets).item<double>(),
              (std::log(2.0) + std::log(4.0 / 3)) / 2, 1e-6);
  EXPECT_EQ(accuracy(logits, torch::tensor({1, 1})), 0.5);
}

}  // namespace
}  // namespace forerun
