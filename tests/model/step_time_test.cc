#include "model/step_time.h"

#include "tests/model/laws.h"

namespace forerun {
namespace {

/// 10 ms + 1 ms per sample; 100 MB of gradients in 4 buckets over 10 us and 10 GB/s.
StepModel<> by_hand() {
  StepModel<> model;
  model.network.intra = {10_us, SecondsPerByte<>(1e-10)};
  model.network.inter = {100_us, SecondsPerByte<>(1e-9)};
  model.compute = {10_ms, SecondsPerSample<>(1e-3), {}};
  model.grad_bytes = 100_MB;
  model.buckets = 4;
  model.overlap = 1;
  return model;
}

Configuration on(Placement placement, int local_batch, int accumulation = 1) {
  return {
      .placement = std::move(placement), .local_batch = local_batch, .accumulation = accumulation};
}

TEST(StepTime, OneRankIsComputeAlone) {
  const StepTime<> step = step_time(by_hand(), on(Placement(), 32));
  EXPECT_NEAR(step.total().value(), 0.042, 1e-12);
  EXPECT_EQ(step.exposed_communication, 0_s);
  EXPECT_EQ(step.waiting, 0_s);
}

TEST(StepTime, TwoRanksWithoutOverlapByHand) {
  // Communication: 4 buckets x (2 x 10 us + 25 MB x 0.1 ns/B) = 10.08 ms, none of it hidden.
  const StepTime<> step = step_time(by_hand(), on(Placement({2}), 32));
  EXPECT_NEAR(step.exposed_communication.value(), 0.01008, 1e-12);
  EXPECT_NEAR(step.total().value(), 0.05208, 1e-12);
}

TEST(StepTime, PerfectOverlapHidesWhatIsShorterThanBackward) {
  StepModel<> model = by_hand();
  model.overlap = 1e4;
  // Backward: 0.65 x 42 ms = 27.3 ms, longer than 10.08 ms.
  EXPECT_NEAR(step_time(model, on(Placement({2}), 32)).total().value(), 0.042, 1e-9);
  // Between nodes 4 x (100 us + 25 ms) = 100.4 ms: 73.1 ms stick out.
  EXPECT_NEAR(step_time(model, on(Placement({1, 1}), 32)).exposed_communication.value(), 0.0731,
              1e-9);
}

/// Half of the gradients after half of the backward pass, the rest at its end.
StepModel<> with_two_buckets() {
  StepModel<> model = by_hand();
  model.bucket_shares = {{0.5, 0.5}, {0.5, 1}};
  return model;
}

TEST(StepTime, BucketsArePlayedThroughByHand) {
  // Backward 27.3 ms. In the node a bucket takes 20 us + 50 MB x 0.1 ns/B = 5.02 ms: the first is
  // hidden, the second is not.
  EXPECT_NEAR(step_time(with_two_buckets(), on(Placement({2}), 32)).exposed_communication.value(),
              5.02e-3, 1e-12);
  // Between nodes 50.1 ms each, one after the other from 13.65 ms on: 113.85 ms.
  EXPECT_NEAR(
      step_time(with_two_buckets(), on(Placement({1, 1}), 32)).exposed_communication.value(),
      113.85e-3 - 27.3e-3, 1e-12);
}

TEST(StepTime, BackwardBesideACollectiveIsSlower) {
  StepModel<> model = with_two_buckets();
  model.compute_slowdown = 1.1;
  // 5.02 ms of the first bucket beside backward: as much as 5.02 / 1.1 of it alone.
  EXPECT_NEAR(step_time(model, on(Placement({2}), 32)).exposed_communication.value(),
              5.02e-3 + 5.02e-3 * (1 - 1 / 1.1), 1e-12);
}

TEST(TimeOnTheWire, CountsWhatBackwardHidesToo) {
  // Between nodes, as above: 4 x 25.1 ms, or 2 x 50.1 ms.
  EXPECT_NEAR(time_on_the_wire(by_hand(), on(Placement({1, 1}), 32)).value(), 100.4e-3, 1e-12);
  StepModel<> model = with_two_buckets();
  EXPECT_NEAR(time_on_the_wire(model, on(Placement({1, 1}), 32)).value(), 100.2e-3, 1e-12);
  EXPECT_EQ(time_on_the_wire(model, on(Placement(), 32)), 0_s);
  // From 13.65 ms to the end of backward at 27.3 ms half of 13.65 ms is done.
  model.collective_slowdown = 2;
  EXPECT_NEAR(time_on_the_wire(model, on(Placement({1, 1}), 32)).value(), 100.2e-3 + 13.65e-3 / 2,
              1e-12);
}

TEST(StepTime, BucketsOfOneRankCostNothing) {
  StepModel<> model = with_two_buckets();
  model.compute_slowdown = 2;
  EXPECT_NEAR(step_time(model, on(Placement(), 32)).total().value(), 0.042, 1e-12);
}

TEST(StepTime, ContentionSlowsCommunicationAlone) {
  StepModel<> model = by_hand();
  model.contention = 1.3;
  const StepTime<> step = step_time(model, on(Placement({2}), 32));
  EXPECT_NEAR(step.exposed_communication.value(), 1.3 * 0.01008, 1e-12);
  EXPECT_NEAR(step.compute.value(), 0.042, 1e-12);
}

TEST(StepTime, WaitsForTheSlowest) {  // sqrt(2 ln 8) = 2.0393
  EXPECT_NEAR(slowest_of(8), 2.0393, 1e-4);
  EXPECT_EQ(slowest_of(1), 0);
  StepModel<> model = by_hand();
  model.spread = 0.01;
  EXPECT_NEAR(step_time(model, on(Placement({8}), 32)).waiting.value(), 0.042 * 0.020393, 1e-7);
}

TEST(StepTime, RanksOfANodeSlowEachOther) {  // 4^0.25 = sqrt 2, whatever the other nodes do
  StepModel<> model = by_hand();
  model.crowding = 0.25;
  const auto compute = [&](const Placement& p) {
    return step_time(model, on(p, 32)).compute.value();
  };
  EXPECT_NEAR(compute(Placement()), 0.042, 1e-12);
  EXPECT_NEAR(compute(Placement({1, 1})), 0.042, 1e-12);
  EXPECT_NEAR(compute(Placement({4})), 0.042 * std::sqrt(2), 1e-12);
  EXPECT_NEAR(compute(Placement({4, 2})), 0.042 * std::sqrt(2), 1e-12);
}

TEST(StepTime, AccumulationRepeatsComputeAndCommunicatesOnce) {
  const StepTime<> once = step_time(by_hand(), on(Placement({2}), 32));
  const StepTime<> thrice = step_time(by_hand(), on(Placement({2}), 32, 3));
  EXPECT_NEAR(thrice.compute.value(), 3 * once.compute.value(), 1e-12);
  EXPECT_EQ(thrice.exposed_communication, once.exposed_communication);
}

TEST(StepTime, OptimizerRunsOncePerStep) {
  StepModel<> model = by_hand();
  model.optimizer = 2_ms;
  const StepTime<> once = step_time(model, on(Placement(), 32));
  EXPECT_NEAR(once.total().value(), 0.042, 1e-12);
  const StepTime<> thrice = step_time(model, on(Placement(), 32, 3));
  EXPECT_NEAR(thrice.total().value(), 3 * 0.040 + 0.002, 1e-12);
  EXPECT_EQ(thrice.optimizer, 2_ms);
}

TEST(StepTime, IsNeverShorterThanLoading) {
  StepModel<> model = by_hand();
  model.load = SecondsPerSample<>(2e-3);
  const StepTime<> step = step_time(model, on(Placement(), 32));
  EXPECT_NEAR(step.total().value(), 0.064, 1e-12);
  EXPECT_NEAR(step.loader.value(), 0.022, 1e-12);
  model.load = SecondsPerSample<>(1e-3);  // hidden
  EXPECT_EQ(step_time(model, on(Placement(), 32)).loader, 0_s);
}

StepModel<> any_model() {
  StepModel<> model;
  model.network.intra = {Seconds<>(log_uniform(-6, -3)), SecondsPerByte<>(log_uniform(-11, -8))};
  model.network.inter = {Seconds<>(log_uniform(-6, -3)), SecondsPerByte<>(log_uniform(-11, -8))};
  model.contention = 1 + log_uniform(-2, 0);
  model.spread = log_uniform(-4, -1);
  model.crowding = log_uniform(-3, -1);
  model.compute = {Seconds<>(log_uniform(-4, -1)), SecondsPerSample<>(log_uniform(-5, -1)), {}};
  model.grad_bytes = Bytes<>(log_uniform(4, 9));
  model.buckets = between(1, 30);
  model.overlap = 1 + log_uniform(-1, 1);
  model.optimizer = Seconds<>(log_uniform(-5, -1));
  model.load = SecondsPerSample<>(log_uniform(-6, -1));
  const int buckets = between(0, 4);
  for (int b = 1; b <= buckets; ++b) {
    model.bucket_shares.push_back({1.0 / buckets, static_cast<double>(b) / buckets});
  }
  model.compute_slowdown = 1 + log_uniform(-2, 0);
  return model;
}

RC_GTEST_PROP(StepTimeLaw, NoPartIsNegativeAndTheyAddUp, ()) {
  const Configuration at = on(any_placement(), between(1, 512), between(1, 8));
  const StepTime<> step = step_time(any_model(), at);
  const Seconds<> slack = step.total() * 1e-12;
  for (const Seconds<> part :
       {step.compute, step.optimizer, step.waiting, step.exposed_communication, step.loader}) {
    RC_ASSERT(part >= 0_s - slack && std::isfinite(part.value()));
  }
  const double sum =
      (step.compute + step.optimizer + step.waiting + step.exposed_communication + step.loader)
          .value();
  RC_ASSERT(std::fabs(sum / step.total().value() - 1) < 1e-12);
}

RC_GTEST_PROP(StepTimeLaw, MoreGradientBytesNeverTakeLessTime, ()) {
  StepModel<> model = any_model();
  const Configuration at = on(any_placement(), between(1, 512), between(1, 8));
  const Seconds<> before = step_time(model, at).total();
  model.grad_bytes = model.grad_bytes * (1 + log_uniform(-3, 2));
  RC_ASSERT(step_time(model, at).total() >= before - before * 1e-12);
}

RC_GTEST_PROP(StepTimeLaw, MoreSamplesNeverTakeLessTime, ()) {
  const StepModel<> model = any_model();
  Configuration at = on(any_placement(), between(1, 512), between(1, 8));
  const Seconds<> before = step_time(model, at).total();
  at.local_batch += between(1, 512);
  RC_ASSERT(step_time(model, at).total() >= before - before * 1e-12);
}

RC_GTEST_PROP(StepTimeLaw, ManyRanksNeverTakeLessTimeThanOne, ()) {
  const StepModel<> model = any_model();
  const int batch = between(1, 512), accumulation = between(1, 8);
  const Seconds<> one = step_time(model, on(Placement(), batch, accumulation)).total();
  RC_ASSERT(step_time(model, on(any_placement(), batch, accumulation)).total() >=
            one - one * 1e-12);
}

}  // namespace
}  // namespace forerun
