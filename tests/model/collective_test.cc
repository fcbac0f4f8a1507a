#include "model/collective.h"

#include "tests/model/laws.h"

namespace forerun {
namespace {

const Link<> kLink{10_us, SecondsPerByte<>(1 / 25e9)};

TEST(RingAllreduceTime, TwoRanksByHand) {  // 2*10us + 100MB/25GB/s
  EXPECT_NEAR(ring_allreduce_time(kLink, 100_MB, 2).value(), 20e-6 + 4e-3, 1e-12);
}

TEST(RingAllreduceTime, FourRanksByHand) {  // 6*10us + 1.5*100MB/25GB/s
  EXPECT_NEAR(ring_allreduce_time(kLink, 100_MB, 4).value(), 60e-6 + 6e-3, 1e-12);
}

TEST(TreeAllreduceTime, EightRanksByHand) {  // 2*3*10us + 2*100MB/25GB/s
  EXPECT_NEAR(tree_allreduce_time(kLink, 100_MB, 8).value(), 60e-6 + 8e-3, 1e-12);
}

TEST(TreeAllreduceTime, FiveRanksNeedThreeLevels) {
  EXPECT_NEAR(tree_allreduce_time(kLink, 0_B, 5).value(), 60e-6, 1e-12);
}

TEST(AllreduceTime, OneRankCostsNothing) {
  EXPECT_EQ(ring_allreduce_time(kLink, 1_GB, 1), 0_s);
  EXPECT_EQ(tree_allreduce_time(kLink, 1_GB, 1), 0_s);
  EXPECT_EQ(allreduce_time(Network<>{kLink, kLink}, 1_GB, Placement()), 0_s);
}

TEST(AllreduceTime, FewerThanOneRankIsAnError) {
  EXPECT_THROW(ring_allreduce_time(kLink, 1_MB, 0), Error);
  EXPECT_THROW(tree_allreduce_time(kLink, 1_MB, -1), Error);
}

// nccl-tests doc/PERFORMANCE.md: busbw = algbw * 2(n-1)/n; with 8 ranks the factor is 1.75.
TEST(BusBandwidth, FactorsOfTheNcclTestsManual) {
  EXPECT_DOUBLE_EQ(algorithm_bandwidth(1_GB, 10_ms).value(), 100e9);
  EXPECT_DOUBLE_EQ(bus_bandwidth(1_GB, 10_ms, 8).value(), 175e9);
  EXPECT_DOUBLE_EQ(bus_bandwidth(1_GB, 10_ms, 2).value(), 100e9);
}

TEST(BusBandwidth, OfARingWithoutLatencyIsTheLinks) {
  const Link<> link{0_s, kLink.beta};
  for (int n = 2; n <= 64; ++n) {
    const Seconds<> time = ring_allreduce_time(link, 100_MB, n);
    EXPECT_NEAR(bus_bandwidth(100_MB, time, n).value(), 25e9, 1);
  }
}

TEST(AllreduceTime, TwoNodesOfFourByHand) {
  Network<> network{kLink, {100_us, SecondsPerByte<>(1e-9)}};
  // 2*7/8 * 100 MB * 1 ns/B + log2(8) * 100 us
  const Placement placement = Placement::even(2, 8);
  EXPECT_NEAR(allreduce_time(network, 100_MB, placement).value(), 0.175 + 300e-6, 1e-12);
  network.nic_sharing = 1;  // four ranks share a NIC: the transfer takes four times as long
  EXPECT_NEAR(allreduce_time(network, 100_MB, placement).value(), 0.7 + 300e-6, 1e-12);
  network.two_nodes = std::log(1.5);  // all of it
  EXPECT_NEAR(allreduce_time(network, 100_MB, placement).value(), 1.5 * (0.7 + 300e-6), 1e-12);
}

TEST(AllreduceTime, CongestionCountsFromTwoNodes) {
  Network<> network{kLink, {0_s, SecondsPerByte<>(1e-9)}};
  network.congestion = 1;
  network.two_nodes = 0;
  EXPECT_NEAR(allreduce_time(network, 100_MB, Placement({1, 1})).value(), 0.1, 1e-12);
  // 2*7/8 * 100 MB * 1 ns/B * (8/2)
  EXPECT_NEAR(allreduce_time(network, 100_MB, Placement::even(8, 8)).value(), 0.7, 1e-12);
}

Network<> any_network() {
  Network<> network;
  network.intra = {Seconds<>(log_uniform(-7, -2)), SecondsPerByte<>(log_uniform(-12, -7))};
  network.inter = {Seconds<>(log_uniform(-7, -2)), SecondsPerByte<>(log_uniform(-12, -7))};
  network.nic_sharing = log_uniform(-2, 0);
  network.congestion = log_uniform(-2, -0.5);
  network.two_nodes = log_uniform(-2, 0) - 0.5;
  return network;
}

RC_GTEST_PROP(AllreduceTimeLaw, MoreBytesNeverTakeLessTime, ()) {
  const Network<> network = any_network();
  const Placement placement = any_placement();
  const double size = log_uniform(0, 10), more = size * (1 + log_uniform(-6, 3));
  RC_ASSERT(allreduce_time(network, Bytes<>(size), placement) <=
            allreduce_time(network, Bytes<>(more), placement));
  RC_ASSERT(tree_allreduce_time(network.intra, Bytes<>(size), placement.world_size()) <=
            tree_allreduce_time(network.intra, Bytes<>(more), placement.world_size()));
}

RC_GTEST_PROP(AllreduceTimeLaw, IsPositiveAndFiniteForSeveralRanks, ()) {
  const Placement placement = any_placement();
  RC_PRE(placement.world_size() > 1);
  const Seconds<> time = allreduce_time(any_network(), Bytes<>(log_uniform(0, 10)), placement);
  RC_ASSERT(time > 0_s && std::isfinite(time.value()));
}

RC_GTEST_PROP(AllreduceTimeLaw, MoreRanksNeverMakeARingFaster, ()) {
  const Network<> network = any_network();
  const Bytes<> size(log_uniform(0, 10));
  const int n = between(1, 1000);
  RC_ASSERT(ring_allreduce_time(network.intra, size, n) <=
            ring_allreduce_time(network.intra, size, n + 1));
}

RC_GTEST_PROP(AllreduceTimeLaw, TheSizeTermSaturates, ()) {
  const Link<> link{0_s, SecondsPerByte<>(log_uniform(-12, -7))};
  const Bytes<> size(log_uniform(0, 10));
  const int n = between(2, 100000);
  RC_ASSERT(ring_allreduce_time(link, size, n) <= 2.0 * (size * link.beta));
}

RC_GTEST_PROP(AllreduceTimeLaw, UnitsOfTimeDoNotMatter, ()) {
  Network<> network = any_network();
  const Placement placement = any_placement();
  const Bytes<> size(log_uniform(0, 10));
  const Seconds<> before = allreduce_time(network, size, placement);
  for (Link<>* link : {&network.intra, &network.inter}) {
    link->alpha = link->alpha * 1e3;
    link->beta = link->beta * 1e3;
  }
  const double expected = before.value() * 1e3;
  RC_ASSERT(std::fabs(allreduce_time(network, size, placement).value() - expected) <=
            1e-12 * expected);
}

}  // namespace
}  // namespace forerun
