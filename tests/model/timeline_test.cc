#include "model/timeline.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace forerun {
namespace {

TimelineBucket<> on_one_link(Seconds<> ready, Seconds<> time) { return {ready, {{0, time}}}; }

void expect_span(const TimelineSpan<>& span, double ready, double start, double end) {
  EXPECT_NEAR(span.ready.value(), ready, 1e-12);
  EXPECT_NEAR(span.start.value(), start, 1e-12);
  EXPECT_NEAR(span.end.value(), end, 1e-12);
}

// ready 2, 5, 8 of 10; 2 s each: 2-4, 5-7, 8-10: all of it is hidden.
TEST(Timeline, HidesWhatFitsBesideBackward) {
  const Timeline<> t = play_step<double>(
      {3_s, 10_s, 1_s, {on_one_link(2_s, 2_s), on_one_link(5_s, 2_s), on_one_link(8_s, 2_s)}});
  expect_span(t.buckets[0], 2, 2, 4);
  expect_span(t.buckets[1], 5, 5, 7);
  expect_span(t.buckets[2], 8, 8, 10);
  EXPECT_NEAR(t.exposed_communication.value(), 0, 1e-12);
  EXPECT_NEAR(t.step_time.value(), 14, 1e-12);
}

// 4 s each: 2-6, 6-10, 10-14. The link is busy from the first bucket on.
TEST(Timeline, OneLinkCarriesOneBucketAtATime) {
  const Timeline<> t = play_step<double>(
      {3_s, 10_s, 1_s, {on_one_link(2_s, 4_s), on_one_link(5_s, 4_s), on_one_link(8_s, 4_s)}});
  expect_span(t.buckets[1], 5, 6, 10);
  expect_span(t.buckets[2], 8, 10, 14);
  EXPECT_NEAR(t.exposed_communication.value(), 4, 1e-12);
  EXPECT_NEAR(t.step_time.value(), 18, 1e-12);
}

// The second is ready at 1 but launched after the first, at 6.
TEST(Timeline, BucketsAreLaunchedInOrder) {
  const Timeline<> t =
      play_step<double>({0_s, 10_s, 0_s, {on_one_link(6_s, 1_s), on_one_link(1_s, 1_s)}});
  expect_span(t.buckets[0], 6, 6, 7);
  expect_span(t.buckets[1], 6, 7, 8);
}

// Three stages on two links: in the node 1, between nodes 4, in the node 1. The second bucket's
// first stage (6-7) runs while the first one is between nodes (3-7); its second waits for that
// link.
//   bucket 0: 2-3 | 3-7 | 7-8      bucket 1: 6-7 | 7-11 | 11-12
TEST(Timeline, StagesOnDifferentLinksOverlap) {
  const auto nested = [](Seconds<> ready) {
    return TimelineBucket<>{ready, {{0, 1_s}, {1, 4_s}, {0, 1_s}}};
  };
  const Timeline<> t = play_step<double>({0_s, 10_s, 0_s, {nested(2_s), nested(6_s)}});
  expect_span(t.buckets[0], 2, 2, 8);
  expect_span(t.buckets[1], 6, 6, 12);
  EXPECT_NEAR(t.exposed_communication.value(), 2, 1e-12);
}

// An all-reduce of 6 s, twice as slow beside backward: from 4 to 10 it gets 3 s done, the other
// three end at 13.
TEST(Timeline, CollectivesAreSlowerBesideBackward) {
  TimelineStep<> step{0_s, 10_s, 0_s, {on_one_link(4_s, 6_s)}};
  step.collective_slowdown = 2;
  const Timeline<> t = play_step(step);
  expect_span(t.buckets[0], 4, 4, 13);
}

// Backward has 6 s to go when a 3 s all-reduce starts at 4; it gets 2 s done in them (factor 1.5),
// and ends at 7 + 4 = 11. The second bucket was due at 9 of backward: 7 + 3 = 10.
TEST(Timeline, BackwardIsSlowerBesideCollectives) {
  TimelineStep<> step{0_s, 10_s, 0_s, {on_one_link(4_s, 3_s), on_one_link(9_s, 0_s)}};
  step.compute_slowdown = 1.5;
  const Timeline<> t = play_step(step);
  expect_span(t.buckets[0], 4, 4, 7);
  expect_span(t.buckets[1], 10, 10, 10);
  EXPECT_NEAR(t.backward_end.value(), 11, 1e-12);
}

TEST(Timeline, WithoutBucketsTheStepIsItsCompute) {
  const Timeline<> t = play_step<double>({1_s, 2_s, 3_s, {}});
  EXPECT_EQ(t.step_time, 6_s);
  EXPECT_EQ(t.exposed_communication, 0_s);
}

TEST(Timeline, RefusesNegativeTimes) {
  EXPECT_THROW(play_step<double>({1_s, Seconds<>(-1), 0_s, {}}), Error);
  EXPECT_THROW(play_step<double>({0_s, 1_s, 0_s, {on_one_link(0_s, Seconds<>(-1))}}), Error);
}

// 2 ranks on 2 nodes, 1 GB/s: 2 (n-1)/n S / B is 1 ms for 1 MB.
TEST(Timeline, BucketsOfAPlacementTakeTheNetworksTime) {
  Network<> network;
  network.inter.beta = SecondsPerByte<>(1e-9);
  const std::array sizes = {1_MB, 2_MB};
  const std::array ready = {1_ms, 2_ms};
  const auto buckets = allreduce_buckets<double>(sizes, ready, network, Placement({1, 1}));
  EXPECT_NEAR(buckets[0].stages.at(0).time.value(), 1e-3, 1e-12);
  EXPECT_NEAR(buckets[1].stages.at(0).time.value(), 2e-3, 1e-12);
}

/// Times of a few units, in tenths.
Seconds<> some_time() { return Seconds<>(0.1 * *rc::gen::inRange(0, 100)); }

TimelineStep<> some_step() {
  TimelineStep<> step{some_time(), some_time(), some_time(), {}};
  const int buckets = *rc::gen::inRange(0, 6);
  for (int b = 0; b < buckets; ++b) {
    TimelineBucket<> bucket{some_time(), {}};
    const int stages = *rc::gen::inRange(0, 4);
    for (int s = 0; s < stages; ++s) {
      bucket.stages.push_back({*rc::gen::inRange(0, 3), some_time()});
    }
    step.buckets.push_back(bucket);
  }
  return step;
}

RC_GTEST_PROP(Timeline, LiesBetweenAllHiddenAndNothingHidden, ()) {
  const TimelineStep<> step = some_step();
  const Timeline<> t = play_step(step);
  double communication = 0;
  for (const auto& bucket : step.buckets) {
    for (const auto& stage : bucket.stages) communication += stage.time.value();
  }
  const double compute = (step.forward + step.backward + step.optimizer).value();
  RC_ASSERT(t.step_time.value() >= compute - 1e-9);
  RC_ASSERT(t.step_time.value() <= compute + communication + 1e-9);
  RC_ASSERT(t.exposed_communication.value() <= communication + 1e-9);
}

/// On one link; several can have scheduling anomalies (Graham 1969).
RC_GTEST_PROP(Timeline, ASlowerLinkNeverEndsTheStepSooner, ()) {
  TimelineStep<> step = some_step();
  for (auto& bucket : step.buckets) bucket.stages = {{0, some_time()}};
  const double before = play_step(step).step_time.value();
  for (auto& bucket : step.buckets) bucket.stages[0].time = bucket.stages[0].time * 1.5;
  RC_ASSERT(play_step(step).step_time.value() >= before - 1e-9);
}

/// One link without slowdowns has a closed form: end_i = max(launch_i, end_{i-1}) + time_i.
RC_GTEST_PROP(Timeline, AgreesWithTheRecurrenceOfOneLink, ()) {
  TimelineStep<> step = some_step();
  for (auto& bucket : step.buckets) bucket.stages = {{0, some_time()}};
  const Timeline<> t = play_step(step);
  double launch = 0, end = 0;
  for (size_t i = 0; i < step.buckets.size(); ++i) {
    launch = std::max(launch, std::min(step.buckets[i].ready, step.backward).value());
    end = std::max(launch, end) + step.buckets[i].stages[0].time.value();
    RC_ASSERT(std::abs(t.buckets[i].end.value() - end) < 1e-9);
  }
}

}  // namespace
}  // namespace forerun
