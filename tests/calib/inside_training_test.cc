#include "calib/inside_training.h"

#include <gtest/gtest.h>

#include "calib/calibrate.h"
#include "calib/collective_factors.h"
#include "calib/predictor.h"
#include "model/error.h"
#include "model/io/atomic_file.h"
#include "tests/support.h"

namespace forerun {
namespace {

/// `ranks` nodes with steps of 1 s compute: backward 0.6 s, all alike.
MeasuredConfiguration measured_on(int ranks, double step_s) {
  MeasuredConfiguration m;
  m.at = {.placement = Placement::even(ranks, ranks), .local_batch = 8};
  for (int r = 0; r < ranks; ++r) {
    m.ranks.push_back({.rank = r,
                       .load_s = {0, 0},
                       .forward_s = {0.4, 0.4},
                       .backward_s = {0.6, 0.6},
                       .exposed_comm_s = {step_s - 1, step_s - 1},
                       .optimizer_s = {0, 0},
                       .step_time_s = {step_s, step_s}});
  }
  m.buckets = {{1e6, 0.15, 0, 0}, {3e6, 0.6, 0, 0}};
  return m;
}

Profile profile_of(std::vector<MeasuredConfiguration> configurations) {
  Profile profile;
  profile.machine.device = "cpu";
  profile.workloads = {{.name = "m", .grad_bytes = 4e6, .configurations = configurations}};
  return profile;
}

Evidence evidence_of(const Profile& profile) {
  Evidence evidence = gather_evidence(observations_of(profile));
  add_inside_training(profile, evidence);
  return evidence;
}

TEST(InsideTraining, BucketsAreSharesOfTheLeastDisturbedBackward) {
  MeasuredConfiguration two = measured_on(2, 1.2);
  two.buckets[0].ready_s = 0.3;
  const Evidence evidence = evidence_of(profile_of({two, measured_on(1, 1)}));
  const auto& shares = evidence.workloads.at(0).traits.bucket_shares;
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_DOUBLE_EQ(shares[0].bytes, 0.25);
  EXPECT_DOUBLE_EQ(shares[0].ready, 0.25);
  EXPECT_DOUBLE_EQ(shares[1].ready, 1);
}

TEST(InsideTraining, FactorsAreMediansAndWaitingBecomesASpread) {
  MeasuredConfiguration two = measured_on(2, 1.2);
  two.communication.slower_inside = {1.4, 1.3, 1.5};
  two.communication.slows_compute = {1.1, 1.0, 1.2};
  two.communication.waiting_s = {0.02, 0.01, 0.03};
  const Evidence evidence = evidence_of(profile_of({measured_on(1, 1), two}));
  EXPECT_DOUBLE_EQ(evidence.workloads.at(0).traits.collective_slowdown, 1.4);
  EXPECT_DOUBLE_EQ(evidence.workloads.at(0).traits.compute_slowdown, 1.1);
  EXPECT_DOUBLE_EQ(evidence.spread.value(), 0.02 / slowest_of(2));
}

TEST(InsideTraining, WhatIsKeptForTestsIsNotLookedAt) {
  MeasuredConfiguration two = measured_on(2, 1.2);
  two.role = "test";
  two.communication.slower_inside = {1.4, 1.3, 1.5};
  EXPECT_FALSE(evidence_of(profile_of({measured_on(1, 1), two})).seen_inside);
}

TEST(InsideTraining, NothingMeasuredChangesNothing) {
  Profile profile = profile_of({measured_on(1, 1), measured_on(2, 1.2)});
  for (MeasuredConfiguration& m : profile.workloads[0].configurations) m.buckets.clear();
  const Evidence evidence = evidence_of(profile);
  EXPECT_TRUE(evidence.workloads.at(0).traits.bucket_shares.empty());
  EXPECT_EQ(evidence.workloads.at(0).traits.compute_slowdown, 1);
  EXPECT_FALSE(evidence.spread);
}

SweepPoint swept(const std::string& collective, const Placement& at, double size, double time_s) {
  return {collective, "mpi", at, size, std::vector<double>(8, time_s)};
}

TEST(CollectiveFactors, AreBusBandwidthsOfAnAllreduceOverTheirs) {
  const Placement four({4});
  const std::vector<SweepPoint> sweeps = {
      swept("allreduce", four, 4194304, 0.030), swept("reduce_scatter", four, 4194304, 0.018),
      swept("all_gather", four, 4194304, 0.015), swept("allreduce", four, 1024, 1e-5),
      swept("reduce_scatter", four, 1024, 1e-3)};  // a matter of latency: not looked at
  const CollectiveFactors factors = collective_factors("zero1", sweeps);
  // 18 ms where half of 30 is 15.
  EXPECT_NEAR(factors.intra[Collective::kReduceScatter], 1.2, 1e-12);
  EXPECT_NEAR(factors.intra[Collective::kAllGather], 1, 1e-12);
  EXPECT_EQ(factors.inter[Collective::kReduceScatter], 1);  // never seen between nodes
  EXPECT_EQ(collective_factors("ddp", sweeps).intra[Collective::kReduceScatter], 1);
}

TEST(CollectiveFactors, BetweenNodesAreTheirOwn) {
  const Placement node({2}), across({2, 2});
  const std::vector<SweepPoint> sweeps = {
      swept("allreduce", node, 4194304, 0.002),  swept("all_gather", node, 4194304, 0.0005),
      swept("allreduce", across, 2097152, 0.05), swept("allreduce", across, 8388608, 0.3),
      swept("all_gather", across, 4194304, 0.1), swept("all_gather", across, 16777216, 0.3)};
  const CollectiveFactors factors = collective_factors("zero1", sweeps);
  EXPECT_NEAR(factors.intra[Collective::kAllGather], 0.5, 1e-12);
  // Half of twice 50 ms is 50 (the smaller of two sizes as near), half of twice 300 ms is 300: 2
  // and 1, whose median is 1.5.
  EXPECT_NEAR(factors.inter[Collective::kAllGather], 1.5, 1e-12);
}

TEST(CollectiveFactors, OfANodeComeFromSweepsInANode) {
  const Placement node({2}), across({1, 1});
  const std::vector<SweepPoint> sweeps = {
      swept("allreduce", node, 4194304, 0.001), swept("reduce", node, 4194304, 0.002),
      swept("allreduce", across, 4194304, 0.1), swept("reduce", across, 4194304, 0.1),
      swept("broadcast", across, 4194304, 0.3)};
  const CollectiveFactors factors = collective_factors("hierarchical", sweeps);
  EXPECT_NEAR(factors.intra[Collective::kReduce], 2, 1e-12);  // 2 (n-1)/n = 1 on two ranks
  EXPECT_EQ(factors.intra[Collective::kBroadcast], 1);        // never seen in a node
  EXPECT_EQ(factors.inter[Collective::kReduce], 1);           // sent in nodes only
}

TEST(AddSweeps, WithoutAllreducesTheOthersTellTheNetwork) {
  Profile profile = profile_of({measured_on(1, 1)});
  profile.network = {swept("reduce_scatter", Placement({2}), 1e6, 0.01)};
  Evidence evidence;
  add_sweeps(profile, evidence);
  ASSERT_EQ(evidence.sweeps.size(), 1u);
  EXPECT_EQ(evidence.sweeps[0].collective, Collective::kReduceScatter);
  profile.network.push_back(swept("allreduce", Placement({2}), 1e6, 0.02));
  evidence = {};
  add_sweeps(profile, evidence);
  ASSERT_EQ(evidence.sweeps.size(), 1u);
  EXPECT_EQ(evidence.sweeps[0].collective, Collective::kAllreduce);
}

TEST(AddSweeps, SizesThatNoBucketComesNearTellNothing) {
  Profile profile = profile_of({measured_on(1, 1)});  // the smaller bucket has 1 MB
  profile.network = {swept("allreduce", Placement({2}), 1e5, 0.01),
                     swept("allreduce", Placement({2}), 3e5, 0.02)};
  Evidence evidence = evidence_of(profile);
  add_sweeps(profile, evidence);
  ASSERT_EQ(evidence.sweeps.size(), 1u);
  EXPECT_EQ(evidence.sweeps[0].size_bytes, 3e5);
  evidence = gather_evidence(observations_of(profile));  // buckets not known
  add_sweeps(profile, evidence);
  EXPECT_EQ(evidence.sweeps.size(), 2u);
}

/// 100 MB/s: 2 (n-1)/n x 3 MB of the second bucket stick out, whatever n is.
TEST(InsideTraining, AFitOfFewHostsPredictsMoreByTheirBuckets) {
  const auto hosts = [](int n) {
    MeasuredConfiguration m = measured_on(n, 1 + 2.0 * (n - 1) / n * 3e6 / 1e8);
    if (n > 1) m.communication.waiting_s = {1e-6, 0, 2e-6};  // all ranks are alike
    return m;
  };
  Profile profile = profile_of({hosts(1), hosts(2), hosts(4)});
  for (const int n : {2, 4}) {
    for (const double size : {1e6, 4e6}) {
      const double time = 2.0 * (n - 1) / n * size / 1e8;
      profile.network.push_back({.transport = "mpi",
                                 .placement = Placement::even(n, n),
                                 .size_bytes = size,
                                 .samples_s = std::vector<double>(16, time)});
    }
  }
  const Predictor predictor(calibrate_profile(profile, "test"));
  const Configuration at{.placement = Placement::even(16, 16), .local_batch = 8};
  const Prediction p = predictor.predict("m", at);
  ASSERT_EQ(p.refused, "");
  EXPECT_NEAR(p.step_time.value(), 1.05625, 0.01);
}

/// As measured_on(), with both buckets timed: over 100 MB/s, whatever sweeps say.
MeasuredConfiguration timed_on(int hosts) {
  const auto on_wire = [&](double size) { return 2.0 * (hosts - 1) / hosts * size / 1e8; };
  MeasuredConfiguration m = measured_on(hosts, 1 + on_wire(3e6));
  if (hosts == 1) return m;
  m.communication.waiting_s = {1e-6, 0, 2e-6};  // all ranks are alike
  for (RankSteps& rank : m.ranks) {
    const double early = 0.01 * (m.ranks.size() - 1 - rank.rank);  // they wait for the last rank
    const double left = 0.002 * rank.rank;                         // before it
    rank.timeline = {
        {"allreduce", 0, 1e6, {0.15}, {0.15 - early}, {0.15 + on_wire(1e6) - left}},
        {"allreduce", 1, 3e6, {0.6}, {0.6 - early}, {0.6 + on_wire(3e6) - left}},
    };
  }
  return m;
}

TEST(InsideTraining, CollectivesAreTimedFromTheLastRankThatBegins) {
  const Evidence evidence = evidence_of(profile_of({timed_on(1), timed_on(2), timed_on(4)}));
  const auto& wire = evidence.workloads.at(0).wire;
  ASSERT_EQ(wire.size(), 2u);  // one rank alone sends nothing
  EXPECT_EQ(wire[1].at.placement, Placement::even(4, 4));
  EXPECT_NEAR(wire[1].time_s, 1.5 * 4e6 / 1e8, 1e-12);
}

TEST(InsideTraining, WhatTellsNothingOfTheNetworkIsNoRow) {
  const auto rows = [](const MeasuredConfiguration& two) {
    return evidence_of(profile_of({timed_on(1), two})).workloads.at(0).wire.size();
  };
  EXPECT_EQ(rows(timed_on(2)), 1u);
  MeasuredConfiguration disturbed = timed_on(2);  // the timeline does not say which steps
  disturbed.disturbed = disturbed.ranks;
  EXPECT_EQ(rows(disturbed), 0u);
  MeasuredConfiguration test = timed_on(2);
  test.role = "test";
  EXPECT_EQ(rows(test), 0u);
}

/// One process drives both devices: rank 0's copies over 100 MB/s, on one node.
MeasuredConfiguration copied_on_two() {
  MeasuredConfiguration m = timed_on(2);
  m.at.placement = Placement({2});
  m.at.strategy = "dataparallel";
  m.ranks.resize(1);
  m.ranks[0].timeline = {{"broadcast", -1, 4e6, {-0.45}, {-0.45}, {-0.41}},
                         {"reduce", 0, 4e6, {0.6}, {0.6}, {0.62}}};
  return m;
}

TEST(InsideTraining, CopiesInsideAProcessAreTheNetworkOfThoseWhoHaveNoOther) {
  MeasuredConfiguration alone = timed_on(1);
  alone.at.strategy = "dataparallel";
  Profile profile = profile_of({alone, copied_on_two()});
  EXPECT_EQ(evidence_of(profile).workloads.at(0).wire.size(), 1u);
  profile.workloads[0].configurations.push_back(timed_on(1));
  profile.workloads[0].configurations.push_back(timed_on(2));
  for (const WorkloadEvidence& w : evidence_of(profile).workloads) {
    EXPECT_EQ(w.wire.size(), w.traits.name == "m" ? 1u : 0u) << w.traits.name;
  }
}

/// busbw: all-reduces 2 (n-1)/n x size / time, broadcasts and reduces size / time.
TEST(InsideTraining, CopiesInsideAProcessCompareWithSweepsOfTheNode) {
  MeasuredConfiguration alone = timed_on(1);
  alone.at.strategy = "dataparallel";
  Profile profile = profile_of({alone, copied_on_two()});
  profile.network = {swept("allreduce", Placement({2}), 4e6, 0.01)};
  const Evidence evidence = evidence_of(profile);
  const CollectiveFactors& factors = evidence.workloads.at(0).traits.collective_factors;
  EXPECT_NEAR(factors.intra[Collective::kBroadcast], 4, 1e-9);
  EXPECT_NEAR(factors.intra[Collective::kReduce], 2, 1e-9);
}

/// Two cores of a host slow each other by a tenth; copies take 60 ms of any step.
TEST(InsideTraining, CoresThatSlowEachOtherAreNoCommunication) {
  std::vector<MeasuredConfiguration> configurations;
  for (const int batch : {8, 16, 32}) {
    for (MeasuredConfiguration m : {timed_on(1), copied_on_two()}) {
      const bool two = m.at.world_size() == 2;
      m.at.strategy = "dataparallel";
      m.at.local_batch = batch;
      const double compute = batch / 8.0 * (two ? 1.1 : 1);
      const double exposed = two ? 0.06 : 0;
      for (RankSteps& rank : m.ranks) {
        rank.forward_s = {0.4 * compute, 0.4 * compute};
        rank.backward_s = {0.6 * compute, 0.6 * compute};
        rank.exposed_comm_s = {exposed, exposed};
        rank.step_time_s = {compute + exposed, compute + exposed};
      }
      configurations.push_back(std::move(m));
    }
  }
  const Predictor predictor(calibrate_profile(profile_of(configurations), "test"));
  const Prediction p = predictor.predict(
      "m", {.placement = Placement({2}), .local_batch = 24, .strategy = "dataparallel"});
  ASSERT_EQ(p.refused, "");
  EXPECT_NEAR(p.step_time.value(), 3.36, 0.03 * 3.36);
  EXPECT_NEAR(p.parts.exposed_communication.value(), 0.06, 0.006);
}

TEST(InsideTraining, WhatTheFitDoesNotKnowIsNotLookedAt) {
  MeasuredConfiguration larger = timed_on(2);
  larger.at.local_batch = 16;
  const Profile profile = profile_of({timed_on(1), timed_on(2), larger});
  Evidence evidence = gather_evidence(observations_of(profile_of({timed_on(1), timed_on(2)})));
  add_inside_training(profile, evidence);
  ASSERT_EQ(evidence.workloads.at(0).wire.size(), 1u);
  EXPECT_EQ(evidence.workloads.at(0).wire[0].at.local_batch, 8);
}

TEST(InsideTraining, BesideSweepsTheWidestLevelTells) {
  MeasuredConfiguration node = timed_on(2);
  node.at.placement = Placement({2});
  Profile profile = profile_of({timed_on(1), node, timed_on(2)});
  EXPECT_EQ(evidence_of(profile).workloads.at(0).wire.size(), 2u);
  profile.network = {swept("allreduce", Placement({2}), 1e6, 0.01)};
  const auto wire = evidence_of(profile).workloads.at(0).wire;
  ASSERT_EQ(wire.size(), 1u);
  EXPECT_EQ(wire[0].at.placement.nodes(), 2);
}

/// Small sweeps flatter a link that buffers them; the step's own collectives know better.
TEST(InsideTraining, WhatBucketsTookTellsMoreThanASmallSweep) {
  Profile profile = profile_of({timed_on(1), timed_on(2), timed_on(4)});
  for (const int n : {2, 4}) {
    const double time = 2.0 * (n - 1) / n * 262144 / 1.1e8;
    profile.network.push_back({.transport = "mpi",
                               .placement = Placement::even(n, n),
                               .size_bytes = 262144,
                               .samples_s = std::vector<double>(16, time)});
  }
  const Predictor predictor(calibrate_profile(profile, "test"));
  const Configuration at{.placement = Placement::even(16, 16), .local_batch = 8};
  const Prediction p = predictor.predict("m", at);
  ASSERT_EQ(p.refused, "");
  const double exposed = 2.0 * 15 / 16 * 3e6 / 1e8;
  EXPECT_NEAR(p.parts.exposed_communication.value() / exposed, 1, 0.02);
}

TEST(InsideTraining, TheFileKeepsIt) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "calibration.json";
  MeasuredConfiguration two = measured_on(2, 1.2);
  two.communication.slower_inside = {1.4, 1.3, 1.5};
  two.communication.slows_compute = {1.1, 1.0, 1.2};
  Calibration calibration = calibrate_profile(profile_of({measured_on(1, 1), two}), "test");
  calibration.workloads.at(0).collective_factors.inter[Collective::kReduce] = 2;
  save_calibration(path, calibration);
  const WorkloadCalibration read = load_calibration(path).workloads.at(0);
  ASSERT_EQ(read.bucket_shares.size(), 2u);
  EXPECT_DOUBLE_EQ(read.bucket_shares[1].bytes, 0.75);
  EXPECT_DOUBLE_EQ(read.bucket_shares[1].ready, 1);
  EXPECT_DOUBLE_EQ(read.collective_slowdown, 1.4);
  EXPECT_DOUBLE_EQ(read.compute_slowdown, 1.1);
  EXPECT_DOUBLE_EQ(read.collective_factors.inter[Collective::kReduce], 2);
  EXPECT_DOUBLE_EQ(read.collective_factors.intra[Collective::kReduce], 1);
}

TEST(InsideTraining, AFileWithAFactorBelowZeroIsRefused) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "calibration.json";
  Calibration calibration = calibrate_profile(profile_of({measured_on(1, 1)}), "test");
  calibration.workloads.at(0).compute_slowdown = -1;
  save_calibration(path, calibration);
  const std::string error = error_of([&] { load_calibration(path); });
  EXPECT_NE(error.find("compute_slowdown"), std::string::npos) << error;
}

}  // namespace
}  // namespace forerun
