#include "predict/recommend.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "model/error.h"
#include "tests/predict/hand_made.h"

namespace forerun {
namespace {

Objective objective(Objective::Kind kind, double limit = 0) { return {kind, limit}; }

/// A candidate of batch 64 with a step time of `ms` +- `half_width_ms`.
Candidate candidate(int gpus, double ms, double half_width_ms) {
  Candidate c;
  c.at.placement = Placement({gpus});
  c.at.local_batch = 64 / gpus;
  c.global_batch = 64;
  c.feasible = c.predicted = true;
  c.prediction.step_time = Seconds<>(ms * 1e-3);
  c.prediction.low = Seconds<>((ms - half_width_ms) * 1e-3);
  c.prediction.high = Seconds<>((ms + half_width_ms) * 1e-3);
  c.prediction.parts.compute = c.prediction.step_time;
  c.throughput = 64 / (ms * 1e-3);
  c.speedup = 100 / ms;  // one GPU takes 100 ms in these tests
  c.efficiency = c.speedup / gpus;
  c.time_s = 1000 * ms * 1e-3;
  c.gpu_hours = *c.time_s * gpus / 3600;
  c.cost = *c.gpu_hours * 3600;  // so that cost = GPU seconds
  return c;
}

const std::vector<Candidate> kFour = {candidate(1, 100, 1), candidate(2, 55, 1),
                                      candidate(4, 32, 1), candidate(8, 31.5, 1)};

int chosen_gpus(const std::vector<Candidate>& candidates, Objective o) {
  Question q = hand_made_question(64);
  q.objective = o;
  const auto r = recommend(candidates, q, hand_made_subject());
  return r ? candidates[r->candidate].at.world_size() : 0;
}

TEST(Recommend, FastestNeverClaimsAWinnerInsideTheNoise) {  // 32 +- 1 against 31.5 +- 1: a tie
  Question q = hand_made_question(64);
  q.objective = objective(Objective::Kind::kFastest);
  const auto r = recommend(kFour, q, hand_made_subject());
  ASSERT_TRUE(r);
  EXPECT_EQ(kFour[r->candidate].at.world_size(), 4);
  EXPECT_EQ(r->ties, (std::vector<size_t>{3}));
  EXPECT_NE(r->reason.find("a tie with 8 within the interval"), std::string::npos) << r->reason;
}

TEST(Recommend, ObjectivesByHand) {
  using Kind = Objective::Kind;
  EXPECT_EQ(chosen_gpus(kFour, objective(Kind::kCheapest)), 1);       // 100, 110, 128, 252 GPU s
  EXPECT_EQ(chosen_gpus(kFour, objective(Kind::kBalanced, 0.5)), 4);  // 100, 91, 78, 40 %
  EXPECT_EQ(chosen_gpus(kFour, objective(Kind::kEfficient, 0.85)), 2);
  EXPECT_EQ(chosen_gpus(kFour, objective(Kind::kEfficient, 0.3)), 8);
  EXPECT_EQ(chosen_gpus(kFour, objective(Kind::kDeadline, 60)), 2);  // 100, 55, 32, 31.5 s
  EXPECT_EQ(chosen_gpus(kFour, objective(Kind::kDeadline, 40)), 4);
  EXPECT_EQ(chosen_gpus(kFour, objective(Kind::kBudget, 115)), 2);  // 100, 110, 128, 252
}

TEST(Recommend, SaysWhenTheObjectiveCannotBeMet) {
  Question q = hand_made_question(64);
  q.objective = objective(Objective::Kind::kDeadline, 10);
  const auto late = recommend(kFour, q, hand_made_subject());
  EXPECT_FALSE(late->meets_objective);
  EXPECT_NE(late->reason.find("none is done within 10.0 s"), std::string::npos) << late->reason;
  q.objective = objective(Objective::Kind::kBudget, 50);
  const auto poor = recommend(kFour, q, hand_made_subject());
  EXPECT_FALSE(poor->meets_objective);
  EXPECT_EQ(kFour[poor->candidate].at.world_size(), 1);
}

TEST(Recommend, ADeadlineMustHoldAtTheSlowEndIfItCan) {  // 2 GPUs: 55 s, but up to 56
  Question q = hand_made_question(64);
  q.objective = objective(Objective::Kind::kDeadline, 55.5);
  const auto r = recommend(kFour, q, hand_made_subject());
  EXPECT_EQ(kFour[r->candidate].at.world_size(), 4);
  const std::vector<Candidate> only_two = {kFour[0], kFour[1]};
  const auto likely = recommend(only_two, q, hand_made_subject());
  EXPECT_EQ(only_two[likely->candidate].at.world_size(), 2);
  EXPECT_NE(likely->reason.find("not at the slow end"), std::string::npos) << likely->reason;
}

TEST(Recommend, IsNothingWithoutACandidate) {
  std::vector<Candidate> none = kFour;
  for (Candidate& c : none) c.feasible = c.predicted = false;
  EXPECT_EQ(chosen_gpus(none, objective(Objective::Kind::kFastest)), 0);
}

TEST(Recommend, NamesTheNextCount) {
  Question q = hand_made_question(64);
  q.objective = objective(Objective::Kind::kEfficient, 0.85);
  const auto r = recommend(kFour, q, hand_made_subject());
  EXPECT_NE(r->reason.find("1.82x the throughput of 1 at 91 % efficiency"), std::string::npos);
  EXPECT_NE(r->reason.find("4 would add 72 %"), std::string::npos) << r->reason;
}

TEST(Recommend, WeighsProgressAgainstSpeedWhereTheBatchVaries) {
  Subject s = hand_made_subject(0.001);
  Question q = hand_made_question(64);
  q.objective = objective(Objective::Kind::kFastest);
  q.gpus = {1};
  q.vary_batch = true;
  const Forecast by_throughput = make_forecast(q, s);
  EXPECT_EQ(by_throughput.recommended()->global_batch, 64);  // largest batch, best throughput
  s.workload.noise_scale = 4;                                // samples beyond 4 hardly help
  const Forecast by_progress = make_forecast(q, s);
  EXPECT_EQ(by_progress.recommended()->global_batch, 4);
}

TEST(Knee, MaximizesSpeedupTimesEfficiency) {  // 1, 1.65, 2.44, 1.26
  EXPECT_EQ(knee(kFour, 64), 4);
  EXPECT_EQ(knee(kFour, 65), std::nullopt);
}

TEST(DominantTerms, AreSharesLargestFirst) {
  StepTime<> t;
  t.compute = Seconds<>(0.61);
  t.exposed_communication = Seconds<>(0.27);
  t.waiting = Seconds<>(0.09);
  t.optimizer = Seconds<>(0.03);
  EXPECT_EQ(
      dominant_terms(t),
      "61 % compute, 27 % exposed all-reduce, 9 % waiting for the slowest rank, 3 % optimizer");
}

rc::Gen<Objective> any_objective() {
  using Kind = Objective::Kind;
  return rc::gen::element(objective(Kind::kFastest), objective(Kind::kCheapest),
                          objective(Kind::kBalanced, 0.5), objective(Kind::kEfficient, 0.7),
                          objective(Kind::kDeadline, 500), objective(Kind::kBudget, 2));
}

RC_GTEST_PROP(Forecast, NeverRecommendsWhatIsNotFeasible, ()) {
  Question q = hand_made_question(*rc::gen::inRange(1L, 2000L));
  q.objective = *any_objective();
  q.samples = 1e5;
  q.price_per_gpu_hour = 2;
  q.max_gpus = *rc::gen::inRange(1, 24);
  q.max_accumulation = *rc::gen::element(1, 2, 1 << 30);
  Subject s = hand_made_subject(*rc::gen::element(0.001, 0.05, 0.5));
  if (*rc::gen::arbitrary<bool>()) refuse_beyond(s, 1);
  const Forecast f = make_forecast(q, s);
  if (f.recommendation) {
    RC_ASSERT(f.recommended()->feasible);
    RC_ASSERT(f.recommended()->predicted);
    RC_ASSERT(f.recommended()->at.global_batch() == q.batch);
    RC_ASSERT(*f.recommended()->peak_memory_bytes <= s.memory_per_rank_bytes);
  } else {
    RC_ASSERT_THROWS_AS(require_recommendation(f), Error);
  }
}

RC_GTEST_PROP(Forecast, NothingIsClearlyCheaperThanTheCheapest, ()) {
  Question q = hand_made_question(*rc::gen::inRange(1L, 500L) * 16);
  q.objective = objective(Objective::Kind::kCheapest);
  q.samples = 1e5;
  q.price_per_gpu_hour = 2;
  q.gpus = {1, 2, 4, 8, 16};
  const Forecast f = make_forecast(q, hand_made_subject(*rc::gen::element(0.0, 0.02, 0.2)));
  const Candidate& best = *f.recommended();
  for (const Candidate& c : f.candidates) {
    if (!c.predicted) continue;
    const double high = *c.cost * (c.prediction.high / c.prediction.step_time);
    const double low = *best.cost * (best.prediction.low / best.prediction.step_time);
    RC_ASSERT(*c.cost * (1 + 1e-9) >= low || high * (1 + 1e-9) >= *best.cost);
    RC_ASSERT(c.prediction.low < c.prediction.high || *c.cost * (1 + 1e-9) >= *best.cost);
  }
}

RC_GTEST_PROP(Forecast, EfficiencyFollowsFromStepTimes, ()) {
  Question q = hand_made_question(*rc::gen::inRange(1L, 200L) * 16);
  q.gpus = {1, 2, 4, 8, 16};
  const Forecast f = make_forecast(q, hand_made_subject());
  const double one = f.candidates.front().prediction.step_time.value();
  for (const Candidate& c : f.candidates) {
    RC_ASSERT(std::abs(c.efficiency * c.at.world_size() * c.prediction.step_time.value() / one -
                       1) < 1e-9);
  }
}

TEST(Forecast, RefusalNamesReasonAndCommand) {
  Subject s = hand_made_subject();
  refuse_beyond(s, 1);
  Question q = hand_made_question();
  q.gpus = {8};
  const Forecast f = make_forecast(q, s);
  try {
    require_recommendation(f);
    FAIL();
  } catch (const Refusal& refusal) {
    const std::string what = refusal.what();
    EXPECT_NE(what.find("nothing was measured between nodes"), std::string::npos) << what;
    EXPECT_NE(what.find("measure --model net --batch 128 --world-sizes 8"), std::string::npos)
        << what;
  }
}

TEST(Forecast, BatchThatDividesNowhereIsAUsageError) {
  Question q = hand_made_question(7);
  q.gpus = {2, 4};
  try {
    make_forecast(q, hand_made_subject());
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "--batch 7: batch 7 does not divide by 2 (6 and 8 do); take --batch 6 or 8, or "
                 "another --gpus");
  }
}

TEST(Forecast, NothingThatFitsIsAFailureWithTheReason) {
  Subject s = hand_made_subject();
  s.memory_per_rank_bytes = 1.1e9;  // not one sample
  const Forecast f = make_forecast(hand_made_question(8), s);
  try {
    require_recommendation(f);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), kExitFailed);
    EXPECT_NE(std::string(error.what()).find("needs 1.20 GB of 1.10 GB"), std::string::npos)
        << error.what();
  }
}

TEST(Forecast, DeadlineNeedsARunLength) {
  Question q = hand_made_question();
  q.objective = objective(Objective::Kind::kDeadline, 60);
  EXPECT_THROW(make_forecast(q, hand_made_subject()), UsageError);
  q.objective = objective(Objective::Kind::kBudget, 60);
  q.samples = 100;
  EXPECT_THROW(make_forecast(q, hand_made_subject()), UsageError);
}

}  // namespace
}  // namespace forerun
