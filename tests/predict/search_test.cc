#include "predict/search.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/predict/hand_made.h"

namespace forerun {
namespace {

TEST(PackedPlacement, FillsNodes) {
  EXPECT_EQ(packed_placement(10, 4).text(), "4+4+2");
  EXPECT_EQ(packed_placement(3, 8).text(), "3");
}

TEST(NearestBatches, StandOnBothSides) {
  EXPECT_EQ(nearest_batches(100, 8).below, 96);
  EXPECT_EQ(nearest_batches(100, 8).above, 104);
  EXPECT_EQ(nearest_batches(3, 8).below, 0);
  EXPECT_EQ(nearest_batches(3, 8).above, 8);
}

TEST(GpuCounts, ArePowersOfTwoAndDivisorsInWholeNodes) {
  const Subject s = hand_made_subject();
  EXPECT_EQ(gpu_counts(hand_made_question(120), s), (std::vector<int>{1, 2, 3, 4, 8}));
  Question q = hand_made_question();
  q.max_gpus = 3;
  EXPECT_EQ(gpu_counts(q, s), (std::vector<int>{1, 2, 3}));
  q.gpus = {6};
  EXPECT_EQ(gpu_counts(q, s), (std::vector<int>{6}));
}

TEST(Search, AccumulatesWhereMemoryIsShort) {  // 128 samples need 26.6 GB of 16 GB, 64 need 13.8
  const SearchResult found = search(hand_made_question(128), hand_made_subject());
  ASSERT_EQ(found.candidates.size(), 4u);  // 1 2 4 8
  EXPECT_EQ(found.candidates[0].at.local_batch, 64);
  EXPECT_EQ(found.candidates[0].at.accumulation, 2);
  EXPECT_NEAR(*found.candidates[0].peak_memory_bytes, 13.8e9, 1);
  EXPECT_EQ(found.candidates[1].at.local_batch, 64);
  EXPECT_EQ(found.candidates[1].at.accumulation, 1);
  EXPECT_EQ(found.candidates[3].at.placement.text(), "4+4");
}

TEST(Search, SaysWhatDoesNotFit) {
  Question q = hand_made_question(128);
  q.max_accumulation = 1;
  const SearchResult found = search(q, hand_made_subject());
  EXPECT_FALSE(found.candidates[0].feasible);
  EXPECT_EQ(found.candidates[0].reason, "does not fit: local batch 128 needs 26.6 GB of 16.0 GB");
  EXPECT_TRUE(found.candidates[1].feasible);
}

TEST(Search, KeepsToMeasuredBatchesWhereMemoryIsUnknown) {
  Subject s = hand_made_subject();
  s.workload.memory.reset();
  const SearchResult found = search(hand_made_question(512), s);
  EXPECT_EQ(found.candidates[0].at.local_batch, 64);
  EXPECT_EQ(found.candidates[0].at.accumulation, 8);
  EXPECT_TRUE(found.candidates[0].feasible);
  EXPECT_FALSE(found.candidates[0].peak_memory_bytes);
}

TEST(Search, NamesTheNearestBatchesThatDivide) {
  Question q = hand_made_question(100);
  q.gpus = {8, 200};
  const SearchResult found = search(q, hand_made_subject());
  EXPECT_EQ(found.candidates[0].reason, "batch 100 does not divide by 8 (96 and 104 do)");
  EXPECT_EQ(found.candidates[1].reason, "batch 100 is smaller than 200 GPUs (each needs a sample)");
}

TEST(Search, SpeedupByHand) {  // 16 samples on 1: 18 ms; 2 x 8: 10 ms and an all-reduce beside it
  Question q = hand_made_question(16);
  q.gpus = {2};
  const SearchResult found = search(q, hand_made_subject());
  const Candidate& two = found.candidates.at(0);
  EXPECT_EQ(two.baseline_gpus, 1);
  EXPECT_NEAR(two.speedup, 0.018 / two.prediction.step_time.value(), 1e-12);
  EXPECT_NEAR(two.efficiency, two.speedup / 2, 1e-12);
}

TEST(Search, ComparesWithTheSmallestWhereOneGpuIsRefused) {
  Subject s = hand_made_subject();
  s.predict = [known = s.predict](const std::vector<Configuration>& at) {
    auto out = known(at);
    for (size_t i = 0; i < at.size(); ++i) {
      if (at[i].world_size() == 1) out[i].refused = "no one-GPU run";
    }
    return out;
  };
  const SearchResult found = search(hand_made_question(64), s);
  ASSERT_EQ(found.refused.size(), 1u);
  EXPECT_EQ(found.refused[0].reason, "no one-GPU run");
  EXPECT_EQ(found.candidates[0].baseline_gpus, 2);
  EXPECT_DOUBLE_EQ(found.candidates[0].efficiency, 1);
}

TEST(Search, RunTimeAndCostByHand) {
  Question q = hand_made_question(64);
  q.gpus = {4};
  q.samples = 64000;  // 1000 steps
  q.price_per_gpu_hour = 3;
  const Candidate c = search(q, hand_made_subject()).candidates.at(0);
  EXPECT_NEAR(*c.time_s, 1000 * c.prediction.step_time.value(), 1e-9);
  EXPECT_NEAR(*c.cost, *c.time_s / 3600 * 4 * 3, 1e-9);
}

TEST(Search, VariesTheBatchWithinTheMeasuredRange) {
  Question q = hand_made_question(64);
  q.gpus = {2};
  q.vary_batch = true;
  std::vector<long> batches;
  for (const Candidate& c : search(q, hand_made_subject()).candidates)
    batches.push_back(c.global_batch);
  EXPECT_EQ(batches, (std::vector<long>{8, 16, 32, 64, 128}));
}

TEST(Search, LargerBatchesNeedMoreSamples) {  // B_noise 64: (1 + 128/64)/(1 + 64/64) = 1.5 times
  Subject s = hand_made_subject();
  s.workload.noise_scale = 64;
  Question q = hand_made_question(64);
  q.gpus = {2};
  q.vary_batch = true;
  q.samples = 6400;
  const auto found = search(q, s).candidates;
  EXPECT_NEAR(*found.back().time_s, 6400 * 1.5 / found.back().throughput, 1e-9);
}

RC_GTEST_PROP(Search, CandidatesAddUpToTheBatch, ()) {
  Question q = hand_made_question(*rc::gen::inRange(1L, 5000L));
  q.max_gpus = *rc::gen::inRange(1, 40);
  q.gpus_per_node = *rc::gen::inRange(1, 9);
  q.max_accumulation = *rc::gen::inRange(1, 100);
  Subject s = hand_made_subject();
  for (const Candidate& c : search(q, s).candidates) {
    if (c.feasible) {
      RC_ASSERT(c.at.global_batch() == q.batch);
      RC_ASSERT(c.at.accumulation <= q.max_accumulation);
      RC_ASSERT(s.workload.memory->peak(Samples<>(c.at.local_batch)).value() <=
                s.memory_per_rank_bytes);
      RC_ASSERT(c.predicted);
    } else {
      RC_ASSERT(!c.reason.empty());
      RC_ASSERT(!c.predicted);
    }
    RC_ASSERT(c.at.placement.max_ranks_per_node() <= *q.gpus_per_node);
  }
}

RC_GTEST_PROP(Search, NoAccumulationSmallerThanTheOneChosenFits, ()) {
  Question q = hand_made_question(*rc::gen::inRange(1L, 3000L));
  q.max_gpus = 16;
  for (const Candidate& c : search(q, hand_made_subject()).candidates) {
    if (!c.feasible) continue;
    const long share = q.batch / c.at.world_size();
    for (long smaller = 1; smaller < c.at.accumulation; ++smaller) {
      RC_ASSERT(share % smaller != 0 || share / smaller > 75);
    }
  }
}

}  // namespace
}  // namespace forerun
