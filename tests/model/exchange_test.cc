#include "model/exchange.h"

#include "model/step_time.h"
#include "tests/model/laws.h"

namespace forerun {
namespace {

/// 10 us and 0.1 ns/B in a node, 100 us and 1 ns/B between nodes.
const Network<> kNetwork{{10_us, SecondsPerByte<>(1e-10)}, {100_us, SecondsPerByte<>(1e-9)}};

Exchange<> exchange(const char* strategy, const Placement& placement, double buckets = 1) {
  return exchange_time(strategy_pattern(strategy), kNetwork, 100_MB, buckets, placement);
}

TEST(BusFactor, AsNcclTestsHasIt) {  // doc/PERFORMANCE.md
  EXPECT_DOUBLE_EQ(bus_factor(Collective::kAllreduce, 8), 1.75);
  EXPECT_DOUBLE_EQ(bus_factor(Collective::kReduceScatter, 8), 0.875);
  EXPECT_DOUBLE_EQ(bus_factor(Collective::kAllGather, 8), 0.875);
  EXPECT_DOUBLE_EQ(bus_factor(Collective::kBroadcast, 8), 1);
  EXPECT_DOUBLE_EQ(bus_factor(Collective::kReduce, 8), 1);
  // 100 MB in 10 ms: algbw 10 GB/s.
  EXPECT_DOUBLE_EQ(bus_bandwidth(Collective::kAllreduce, 100_MB, 10_ms, 8).value(), 17.5e9);
}

TEST(CollectiveName, ReadsBackWhatItWrites) {
  for (const Collective c : kCollectives) EXPECT_EQ(find_collective(collective_name(c)), c);
  EXPECT_EQ(find_collective("alltoall"), std::nullopt);
}

TEST(CollectiveTime, HalvesOfARingMakeAnAllreduce) {
  const Placement placement({4, 4});
  const Seconds<> sum = collective_time(kNetwork, Collective::kReduceScatter, 100_MB, placement) +
                        collective_time(kNetwork, Collective::kAllGather, 100_MB, placement);
  EXPECT_NEAR(sum.value(), allreduce_time(kNetwork, 100_MB, placement).value(), 1e-15);
}

TEST(CollectiveTime, TreesMakeAnAllreduce) {  // up and down
  const Seconds<> both = collective_time(kNetwork, Collective::kReduce, 100_MB, Placement({5})) +
                         collective_time(kNetwork, Collective::kBroadcast, 100_MB, Placement({5}));
  EXPECT_NEAR(both.value(), tree_allreduce_time(kNetwork.intra, 100_MB, 5).value(), 1e-15);
}

TEST(ExchangeTime, DdpHidesAllOfIt) {
  const Placement placement({4, 4});
  EXPECT_EQ(exchange("ddp", placement).hidden, allreduce_time(kNetwork, 100_MB, placement));
  EXPECT_EQ(exchange("ddp", placement).open, 0_s);
  // What others call by another name is ddp on a network of its own.
  EXPECT_EQ(exchange("fsdp", placement).hidden, exchange("ddp", placement).hidden);
}

TEST(ExchangeTime, HierarchicalByHand) {
  // Reduce and broadcast over 4 ranks: 2 x (2 x 10 us + 10 ms); all-reduce over 2 leaders:
  // 2 (2-1)/2 x 100 ms + log2(2) x 100 us.
  EXPECT_NEAR(exchange("hierarchical", Placement({4, 4})).hidden.value(),
              2 * (20e-6 + 10e-3) + 100e-3 + 100e-6, 1e-12);
  // On one node nothing is left but the two ways of the tree.
  EXPECT_NEAR(exchange("hierarchical", Placement({4})).hidden.value(), 2 * (20e-6 + 10e-3), 1e-12);
  // One rank a node: the leaders' all-reduce alone.
  EXPECT_EQ(exchange("hierarchical", Placement({1, 1})).hidden,
            allreduce_time(kNetwork, 100_MB, Placement({1, 1})));
}

TEST(ExchangeTime, HierarchicalSavesWhatSharesTheNodesLink) {
  Network<> network = kNetwork;
  network.nic_sharing = 1;  // 4 ranks of a node: a quarter of the link each
  const Placement placement({4, 4});
  const auto time = [&](const char* strategy) {
    return exchange_time(strategy_pattern(strategy), network, 100_MB, 1.0, placement).hidden;
  };
  EXPECT_LT(time("hierarchical"), time("ddp") * 0.25);
}

TEST(ExchangeTime, Zero1ShowsHalfOfIt) {
  const Exchange<> zero1 = exchange("zero1", Placement({4}), 4);
  const Exchange<> ddp = exchange("ddp", Placement({4}), 4);
  EXPECT_NEAR(zero1.hidden.value(), ddp.hidden.value() / 2, 1e-15);
  EXPECT_NEAR(zero1.open.value(), ddp.hidden.value() / 2, 1e-15);
}

TEST(ExchangeTime, DataParallelHidesNothingAndKnowsNoBuckets) {
  const Exchange<> one = exchange("dataparallel", Placement({4}), 1);
  EXPECT_EQ(one.hidden, 0_s);
  EXPECT_NEAR(one.open.value(), 2 * (20e-6 + 10e-3), 1e-12);
  EXPECT_EQ(exchange("dataparallel", Placement({4}), 7).open, one.open);
}

/// 10 ms + 1 ms per sample, of which the optimizer takes 4 ms.
StepModel<> by_hand() {
  StepModel<> model;
  model.network = kNetwork;
  model.compute = {10_ms, SecondsPerSample<>(1e-3), {}};
  model.grad_bytes = 100_MB;
  model.overlap = 1;
  model.optimizer = 4_ms;
  return model;
}

TEST(StepTimeOfStrategies, Zero1SharesTheOptimizerOut) {
  const Configuration at{.placement = Placement({4}), .local_batch = 32, .strategy = "zero1"};
  const StepTime<> step = step_time(by_hand(), at);
  EXPECT_NEAR(step.optimizer.value(), 1e-3, 1e-15);
  EXPECT_NEAR(step.compute.value(), 38e-3, 1e-15);
  EXPECT_NEAR(step.exposed_communication.value(), 2 * 3 * 10e-6 + 1.5 * 10e-3, 1e-12);
}

TEST(StepTimeOfStrategies, DataParallelStandsStillForAllOfIt) {
  StepModel<> model = by_hand();
  model.overlap = 1e6;  // would hide what may be hidden
  const Configuration at{
      .placement = Placement({4}), .local_batch = 32, .strategy = "dataparallel"};
  EXPECT_NEAR(step_time(model, at).total().value(), 42e-3 + 2 * (20e-6 + 10e-3), 1e-9);
}

TEST(StepTimeOfStrategies, OneRankIsTheSameForAll) {
  for (const StrategyPattern& pattern : kStrategyPatterns) {
    const Configuration at{
        .placement = Placement(), .local_batch = 32, .strategy = std::string(pattern.name)};
    EXPECT_NEAR(step_time(by_hand(), at).total().value(), 42e-3, 1e-12) << pattern.name;
  }
}

RC_GTEST_PROP(ExchangeTimeLaw, MoreBytesNeverTakeLessTime, ()) {
  const Placement placement = any_placement();
  const double size = log_uniform(0, 10), more = size * (1 + log_uniform(-6, 3));
  const double buckets = between(1, 30);
  for (const StrategyPattern& pattern : kStrategyPatterns) {
    const auto less = exchange_time(pattern, kNetwork, Bytes<>(size), buckets, placement);
    const auto greater = exchange_time(pattern, kNetwork, Bytes<>(more), buckets, placement);
    RC_ASSERT(less.hidden <= greater.hidden && less.open <= greater.open);
    RC_ASSERT((less.hidden + less.open > 0_s) == (placement.world_size() > 1));
  }
}

}  // namespace
}  // namespace forerun
