#include "measure/strategy/strategy.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>

#include "measure/trainer.h"
#include "tests/measure/equal_peers.h"
#include "tests/support.h"

namespace forerun {
namespace {

/// Three layers; the middle one's parameters are registered first, so that the order in which
/// gradients come is not the reverse of registration.
struct Net : torch::nn::Module {
  Net() {
    torch::manual_seed(3);
    middle = register_module("middle", torch::nn::Linear(40, 30));
    first = register_module("first", torch::nn::Linear(20, 40));
    last = register_module("last", torch::nn::Linear(30, 5));
  }
  torch::Tensor loss(const torch::Tensor& x, const torch::Tensor& y) {
    return torch::nn::functional::cross_entropy(last(torch::relu(middle(torch::relu(first(x))))),
                                                y);
  }
  torch::nn::Linear first{nullptr}, middle{nullptr}, last{nullptr};
};

constexpr int kSteps = 8;

torch::Tensor input(int step) {
  torch::manual_seed(100 + step);
  return torch::randn({16, 20});
}
torch::Tensor target(int step) {
  torch::manual_seed(200 + step);
  return torch::randint(0, 5, {16});
}

void train(Net& net, Strategy& strategy) {
  for (int step = 0; step < kSteps; ++step) {
    const torch::Tensor loss = net.loss(input(step), target(step));
    strategy.start_backward(cpu_device().mark());
    loss.backward();
    strategy.finish_backward();
    strategy.update(step + 1);
  }
}

/// torch::optim's optimizer of the same kind.
std::unique_ptr<torch::optim::Optimizer> torch_optimizer(const Optimizer& ours,
                                                         std::vector<torch::Tensor> parameters) {
  namespace optim = torch::optim;
  const double rate = ours.learning_rate;
  if (ours.kind == OptimizerKind::kAdam) {
    return std::make_unique<optim::Adam>(std::move(parameters), optim::AdamOptions(rate));
  }
  if (ours.kind == OptimizerKind::kAdamW) {
    return std::make_unique<optim::AdamW>(
        std::move(parameters), optim::AdamWOptions(rate).weight_decay(ours.weight_decay));
  }
  return std::make_unique<optim::SGD>(std::move(parameters),
                                      optim::SGDOptions(rate).momentum(ours.momentum));
}

std::vector<torch::Tensor> trained_by_torch(const Optimizer& ours) {
  Net net;
  const auto optimizer = torch_optimizer(ours, net.parameters());
  for (int step = 0; step < kSteps; ++step) {
    net.zero_grad();
    net.loss(input(step), target(step)).backward();
    optimizer->step();
  }
  return net.parameters();
}

void expect_equal(const std::vector<torch::Tensor>& ours,
                  const std::vector<torch::Tensor>& theirs) {
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_TRUE(torch::allclose(ours[i], theirs[i], 1e-5, 1e-6)) << "parameter " << i;
  }
}

const Optimizer kSgd = Optimizer::named("sgd", 0.05f);
constexpr BucketLimits kSmallBuckets{100, 4000};

StrategyOptions with(const BucketLimits& buckets, const Optimizer& optimizer = kSgd) {
  return {.buckets = buckets, .optimizer = optimizer};
}

TEST(Serial, TrainsLikeTorch) {
  Net net;
  const auto strategy = find_strategy("serial").make(net.parameters(), with({}));
  EqualPeers alone(1);
  strategy->attach(alone);
  train(net, *strategy);
  expect_equal(net.parameters(), trained_by_torch(kSgd));
  EXPECT_TRUE(alone.counts.empty());
}

/// Weights after a few steps in a group of equal peers. Without batch normalization, which would
/// turn rounding of so few samples into differences.
std::vector<torch::Tensor> trained(const std::string& strategy, const std::string& precision) {
  const Workload workload = find_workload("mnist-cnn", "1x12x12");
  SyntheticData description{.shape = workload.input, .size = 64};
  const auto data = make_synthetic(description);
  TrainerOptions options;
  options.strategy = strategy;
  options.precision = find_precision(precision);
  if (strategy == "dataparallel") options.devices.resize(2);
  Trainer trainer(workload, options);
  EqualPeers group(strategy == "ddp" ? 2 : 1);
  trainer.attach(group);
  for (int64_t step = 0; step < 3; ++step) {
    trainer.step(*data, {4 * step, 4 * step + 1, 4 * step + 2, 4 * step + 3});
  }
  return trainer.parameters();
}

class ChannelsLast : public testing::TestWithParam<std::string> {};

TEST_P(ChannelsLast, TrainsTheSameInAnotherLayout) {
  const auto here = trained(GetParam(), "float32");
  const auto there = trained(GetParam(), "float32+channels-last");
  ASSERT_EQ(here.size(), there.size());
  const torch::Tensor &one = here.at(2), &other = there.at(2);  // of the second convolution
  EXPECT_FALSE(one.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(other.is_contiguous(at::MemoryFormat::ChannelsLast));
  for (size_t i = 0; i < here.size(); ++i) {
    EXPECT_TRUE(torch::allclose(here[i], there[i], 1e-4, 1e-6))
        << "parameter " << i << " is off by " << (here[i] - there[i]).abs().max().item<float>();
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, ChannelsLast, testing::Values("serial", "ddp", "dataparallel"),
                         [](const auto& tested) { return tested.param; });

TEST(CpuDevice, CopiesIntoTheLayoutOfTheTarget) {
  const torch::Tensor from = torch::arange(24, torch::kFloat32).view({2, 3, 2, 2});
  torch::Tensor to = torch::empty_like(from.contiguous(at::MemoryFormat::ChannelsLast));
  cpu_device().copy_scaled(to, from, 0.5f);
  EXPECT_TRUE(torch::equal(to, from * 0.5));
  EXPECT_EQ(to.data_ptr<float>()[1], 2);  // the second channel of the first pixel: 0.5 x 4
}

TEST(Precision, IsNamedWithItsLayout) {
  for (const char* name : {"float32", "tf32", "bfloat16+channels-last", "float16"}) {
    EXPECT_EQ(find_precision(name).name(), name);
  }
  EXPECT_THROW(find_precision("float64"), UsageError);
}

TEST(Precision, CpusRefuseWhatGpusHave) {
  TrainerOptions options;
  for (const char* name : {"tf32", "float16+channels-last"}) {
    options.precision = find_precision(name);
    EXPECT_EQ(
        error_of([&] { Trainer(find_workload("mnist-cnn"), options); }),
        std::string("--precision ") + name + ": CPUs train in float32 or bfloat16 (autocast)");
  }
}

TEST(Serial, RefusesManyRanks) {
  Net net;
  EqualPeers two(2);
  EXPECT_THROW(find_strategy("serial").make(net.parameters(), with({}))->attach(two), UsageError);
}

class DdpOnRanks : public testing::TestWithParam<int> {};

TEST_P(DdpOnRanks, TrainsLikeTorchWhereAllRanksSeeTheSame) {
  Net net;
  const auto strategy = find_strategy("ddp").make(net.parameters(), with(kSmallBuckets));
  EqualPeers group(GetParam());
  strategy->attach(group);
  train(net, *strategy);
  expect_equal(net.parameters(), trained_by_torch(kSgd));
}

INSTANTIATE_TEST_SUITE_P(WorldSizes, DdpOnRanks, testing::Values(1, 2, 4));

TEST(Ddp, SendsEveryGradientOnceAStepInTheOrderTheyComeIn) {
  Net net;
  const auto strategy = find_strategy("ddp").make(net.parameters(), with(kSmallBuckets));
  EqualPeers group(2);
  strategy->attach(group);
  train(net, *strategy);
  // Backward reaches last (30 x 5 + 5), middle (40 x 30 + 30), first (20 x 40 + 40). The first
  // bucket closes at 100 bytes, the others at 4000; parameters are padded to 16 floats.
  const auto traces = strategy->buckets();
  double floats = 0, at = 0;
  for (const BucketTrace& trace : traces) {
    floats += trace.size_bytes / 4;
    EXPECT_GE(trace.ready_s, at);  // launched in order, as they became ready
    at = trace.ready_s;
  }
  const double parameters = 155 + 1230 + 840;
  EXPECT_GE(floats, parameters);
  EXPECT_LE(floats, parameters + 6 * 15);
  // The first step had other buckets: its order was not known yet.
  ASSERT_GE(group.counts.size(), (kSteps - 1) * traces.size());
  for (size_t b = 0; b < traces.size(); ++b) {
    const size_t sent = group.counts[group.counts.size() - traces.size() + b];
    EXPECT_DOUBLE_EQ(4.0 * static_cast<double>(sent), traces[b].size_bytes);
  }
  EXPECT_LT(traces.front().size_bytes, 1000);  // only the last layer's
}

TEST(Ddp, ParametersWithoutGradientCountAsZero) {
  Net net;
  const torch::Tensor unused = torch::ones({7}, torch::requires_grad());
  std::vector<torch::Tensor> parameters = net.parameters();
  parameters.push_back(unused);
  const auto strategy = find_strategy("ddp").make(parameters, with(kSmallBuckets));
  EqualPeers group(2);
  strategy->attach(group);
  train(net, *strategy);
  expect_equal(net.parameters(), trained_by_torch(kSgd));
  EXPECT_TRUE(torch::equal(unused.detach(), torch::ones({7})));
}

TEST(Ddp, CompletesTheStepOfARankThatFailed) {
  Net net;
  const auto strategy = find_strategy("ddp").make(net.parameters(), with(kSmallBuckets));
  EqualPeers group(2);
  strategy->attach(group);
  train(net, *strategy);
  const size_t before = group.counts.size(), per_step = strategy->buckets().size();
  strategy->start_backward(cpu_device().mark());
  strategy->finish_backward();  // forward threw: no gradient ever came
  EXPECT_EQ(group.counts.size(), before + per_step);
}

/// Whether what it held is still in memory once a strategy is gone; `in_backward`: with its buckets
/// on their way.
bool memory_outlives_the_strategy(bool in_backward) {
  std::vector<c10::weak_intrusive_ptr<c10::StorageImpl>> storages;
  {
    Net net;  // its weights lie in the buckets, too
    const auto strategy = find_strategy("ddp").make(net.parameters(), with(kSmallBuckets));
    EqualPeers group(2);
    strategy->attach(group);
    train(net, *strategy);
    for (const torch::Tensor& held : strategy->held()) {
      if (held.numel() > 0) storages.push_back(held.storage().getWeakStorageImpl());
    }
    strategy->start_backward(cpu_device().mark());
    net.loss(input(0), target(0)).backward();
    if (!in_backward) strategy->finish_backward();
  }
  const auto freed = std::ranges::count_if(storages, [](const auto& s) { return s.expired(); });
  EXPECT_TRUE(freed == 0 || freed == std::ssize(storages)) << freed << " of " << storages.size();
  return freed == 0;
}

// A rank that fails unwinds while its communication thread may still write to its buckets.
TEST(Ddp, WhatACollectiveWritesToIsNotFreedUnderIt) {
  EXPECT_TRUE(memory_outlives_the_strategy(/*in_backward=*/true));
  EXPECT_FALSE(memory_outlives_the_strategy(/*in_backward=*/false));
}

TEST(Ddp, LeavesNoHookBehind) {
  Net net;
  {
    const auto strategy = find_strategy("ddp").make(net.parameters(), with(kSmallBuckets));
    EqualPeers alone(1);
    strategy->attach(alone);
    train(net, *strategy);
  }
  net.loss(input(0), target(0)).backward();
  for (const torch::Tensor& p : net.parameters()) EXPECT_TRUE(p.grad().defined());
}

TEST(FindStrategy, NamesNearOnes) {
  EXPECT_EQ(error_of([] { find_strategy("dpd"); }),
            "strategy \"dpd\" is unknown (did you mean ddp?)");
}

class EveryOptimizer : public testing::TestWithParam<std::string> {};

TEST_P(EveryOptimizer, UpdatesLikeTorch) {
  const Optimizer optimizer = Optimizer::named(GetParam(), 0.01f);
  for (const char* strategy_name : {"serial", "ddp"}) {
    Net net;
    const auto strategy =
        find_strategy(strategy_name).make(net.parameters(), with(kSmallBuckets, optimizer));
    EqualPeers alone(1);
    strategy->attach(alone);
    train(net, *strategy);
    expect_equal(net.parameters(), trained_by_torch(optimizer));
    EXPECT_GE(strategy->state_bytes(), 4 * (155 + 1230 + 840) * optimizer.state_copies());
  }
}

INSTANTIATE_TEST_SUITE_P(Optimizers, EveryOptimizer, testing::ValuesIn(Optimizer::names()),
                         [](const auto& tested) { return tested.param; });

TEST(Optimizer, SgdByHand) {  // m = 0.5 m + g; w -= 0.1 m
  std::vector<float> w = {1, 2}, g = {1, -1}, m = {0, 4};
  Optimizer sgd = Optimizer::named("sgd", 0.1f);
  sgd.momentum = 0.5f;
  sgd.step(w, g, m, 1);
  EXPECT_FLOAT_EQ(m[0], 1);
  EXPECT_FLOAT_EQ(m[1], 1);
  EXPECT_FLOAT_EQ(w[0], 0.9f);
  EXPECT_FLOAT_EQ(w[1], 1.9f);
}

TEST(Optimizer, FirstStepOfAdamIsTheLearningRate) {  // m/(1-b1) = g, sqrt(v/(1-b2)) = |g|
  std::vector<float> w = {1, 1}, g = {3, -0.2f}, state(4);
  Optimizer::named("adam", 0.1f).step(w, g, state, 1);
  EXPECT_NEAR(w[0], 0.9, 1e-6);
  EXPECT_NEAR(w[1], 1.1, 1e-6);
  EXPECT_NEAR(state[0], 0.3, 1e-6);    // 0.1 g
  EXPECT_NEAR(state[2], 0.009, 1e-6);  // 0.001 g^2
}

TEST(Optimizer, NamesNearOnes) {
  EXPECT_EQ(error_of([] { Optimizer::named("adm"); }),
            "optimizer \"adm\" is unknown (did you mean adam?)");
}

TEST(Ddp, LetsALibraryTakeItsMemoryBeforeTheFirstBatch) {
  Net net;
  const auto ddp = make_ddp(net.parameters(), {.buckets = {1000, 3000}});
  EqualPeers group(2);
  group.prepares = true;
  ddp->attach(group);
  EXPECT_TRUE(ddp->prepare());
  const std::vector<size_t> prepared = std::exchange(group.counts, {});
  EXPECT_TRUE(ddp->prepare());
  EXPECT_TRUE(group.counts.empty());  // once
  train(net, *ddp);
  EXPECT_EQ(prepared, std::vector(group.counts.begin(), group.counts.begin() + prepared.size()));
}

TEST(Trainer, SaysOnAllRanksThatALibraryLacksMemory) {
  TrainerOptions options;
  Trainer trainer(find_workload("mnist-cnn", "1x12x12"), options);
  EqualPeers group(2);
  group.fits = false;
  EXPECT_THROW(trainer.attach(group), OutOfMemory);
}

TEST(Trainer, HoldsWeightsGradientsAndStates) {
  TrainerOptions options;
  Trainer trainer(find_workload("mnist-cnn", "1x12x12"), options);
  const double states = trainer.state_bytes();
  EXPECT_GE(trainer.held_bytes(), states);
  EXPECT_LT(trainer.held_bytes(), states * 1.1);  // gaps between parameters, and blocks
}

}  // namespace
}  // namespace forerun
