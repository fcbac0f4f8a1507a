// On real processes: run by the MPI launcher, every rank runs every case. Ranks 0 and 1 count as
// one node, 2 and 3 as another.
#include "tests/measure/ranks.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <numeric>
#include <set>

#include "measure/clock.h"
#include "measure/heartbeat.h"
#include "measure/launch/agreement.h"
#include "measure/mpi/mpi_communicator.h"
#include "measure/request.h"
#include "measure/trainer.h"
#include "model/error.h"
#include "model/strategy.h"
#include "tests/support.h"

namespace forerun {
namespace {

using Floats = std::vector<float>;

TEST(MpiCollectives, ByHand) {
  const int n = world().size(), rank = world().rank();
  const float sum = n * (n + 1) / 2.0f;  // of rank + 1
  Floats all(3, rank + 1.0f);
  world().run(Collective::kAllreduce, all);
  EXPECT_EQ(all, Floats(3, sum));

  Floats blocks(2 * n);  // block b holds (rank + 1) b
  for (int i = 0; i < 2 * n; ++i) {
    const int block = i / 2;
    blocks[i] = (rank + 1.0f) * static_cast<float>(block);
  }
  world().run(Collective::kReduceScatter, blocks);
  EXPECT_EQ(Floats(blocks.begin(), blocks.begin() + 2), Floats(2, sum * rank));

  Floats gathered(n, -1.0f);
  gathered[rank] = 10.0f * rank;
  world().run(Collective::kAllGather, gathered);
  for (int i = 0; i < n; ++i) EXPECT_EQ(gathered[i], 10.0f * i);

  Floats reduced(3, rank + 1.0f);
  world().run(Collective::kReduce, reduced, n - 1);
  if (rank == n - 1) {
    EXPECT_EQ(reduced, Floats(3, sum));
  }

  Floats told(3, rank == 0 ? 7.0f : 0.0f);
  world().run(Collective::kBroadcast, told);
  EXPECT_EQ(told, Floats(3, 7));
}

TEST(MpiCollectives, BehindOneAnotherGiveTheSame) {
  const int n = world().size();
  Floats a(1000, 1), b(1000, 2), c(n, 0);
  c[world().rank()] = 3;
  const auto first = world().start(Collective::kAllreduce, a);
  const auto second = world().start(Collective::kAllreduce, b);
  const auto third = world().start(Collective::kAllGather, c);
  for (PendingCollective* pending : {third.get(), first.get(), second.get()}) pending->wait();
  EXPECT_EQ(a, Floats(1000, n));
  EXPECT_EQ(b, Floats(1000, 2 * n));
  EXPECT_EQ(c, Floats(n, 3));
  EXPECT_LE(first->ended_s(), second->started_s());
  EXPECT_LE(second->ended_s(), third->started_s());
}

TEST(MpiCollectives, RefuseUnequalBlocks) {
  Floats odd(world().size() + 1);
  EXPECT_THROW(world().run(Collective::kAllGather, odd), Error);
}

TEST(Nest, GroupsByNodeAndAcross) {
  const NestedGroups nested = nest(world());
  EXPECT_EQ(nested.node->size(), 2);
  EXPECT_EQ(nested.node->rank(), world().rank() % 2);
  ASSERT_EQ(nested.leaders != nullptr, world().rank() % 2 == 0);
  if (nested.leaders != nullptr) {
    EXPECT_EQ(nested.leaders->size(), world().size() / 2);
    EXPECT_EQ(nested.leaders->rank(), world().rank() / 2);
    EXPECT_EQ(nested.leaders->node(), world().node());
  }
}

TEST(RequireAgreement, NamesTheRankWithOtherLibraries) {
  StartedAs mine{"train", loaded_file(), "LibTorch 2.6"};
  EXPECT_NO_THROW(require_agreement(world(), mine));
  if (world().rank() == 2) mine.libraries = "LibTorch 2.7";
  const std::string said = error_of([&] { require_agreement(world(), mine); });
  EXPECT_TRUE(said.starts_with("rank 2 on host ")) << said;
  EXPECT_TRUE(
      said.ends_with(" runs measure with other libraries (LibTorch 2.7; rank 0 with LibTorch "
                     "2.6); install the same on all hosts"))
      << said;
}

TEST(Heartbeat, NamesTheRankThatIsSilent) {
  Heartbeat heartbeat;
  heartbeat.connect(world(), {"a", "a", "b", "b"});
  EXPECT_FALSE(heartbeat.listen(2));
  world().park();  // rank 2's last sign came before the others listen again
  if (world().rank() != 2) {
    const std::optional<RankOnHost> silent = heartbeat.listen(2);
    EXPECT_EQ(silent.has_value(), world().rank() == 0);  // the others hear rank 0 only
    if (silent) {
      EXPECT_EQ(silent->rank, 2);
      EXPECT_EQ(silent->host, "b");
    }
  }
  world().park();
}

constexpr int kSteps = 20;
constexpr int kBatch = 24;  // global

struct Case {
  std::string strategy = "ddp", optimizer = "sgd";
  int accumulation = 1;
  std::string precision = "float32";
};

/// Weights after 20 steps, on every rank that trained; elsewhere empty.
struct Trained {
  std::vector<torch::Tensor> weights;
  double state_bytes = 0;
  std::vector<BucketTrace> traces;
  float loss = 0;
};

Trained train(const Case& c, const Workload& workload = find_workload("mnist-cnn", "1x12x12")) {
  const auto data = synthetic_data(workload);
  const StrategyEntry& entry = find_strategy(c.strategy);
  const int ranks = entry.ranks(world().size());
  const auto group = world().split(world().rank() < ranks ? 0 : -1);
  if (group == nullptr) return {};
  TrainerOptions options;
  options.seed = 5;
  options.strategy = c.strategy;
  options.optimizer = Optimizer::named(c.optimizer);
  options.buckets = {.first_bytes = 1000, .cap_bytes = 100000};
  options.accumulation = c.accumulation;
  options.precision = find_precision(c.precision);
  if (entry.processes == Processes::kOneForAllDevices) options.devices.resize(3);
  Trainer trainer(workload, options);
  trainer.attach(*group);
  Trained trained;
  for (int step = 0; step < kSteps; ++step) {
    std::vector<int64_t> indices(kBatch / ranks);
    std::iota(indices.begin(), indices.end(), step * kBatch + group->rank() * kBatch / ranks);
    const StepSample sample = trainer.step(*data, indices);
    trained.traces = sample.buckets;
    trained.loss = sample.loss;
    EXPECT_NEAR(sample.load_s + sample.forward_s + sample.backward_s + sample.exposed_comm_s +
                    sample.optimizer_s,
                sample.step_time_s, 1e-9);
  }
  trained.weights = trainer.parameters();
  trained.state_bytes = trainer.optimizer_state_bytes();
  return trained;
}

/// |a - b| / |a| over all weights.
double relative_difference(const std::vector<torch::Tensor>& a,
                           const std::vector<torch::Tensor>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]).to(torch::kFloat64).square().sum().item<double>();
    size += a[i].to(torch::kFloat64).square().sum().item<double>();
  }
  return std::sqrt(difference / size);
}

std::string name_of(const testing::TestParamInfo<Case>& tested) {
  const Case& c = tested.param;
  return c.strategy + "_" + c.optimizer +
         (c.accumulation > 1 ? "_accumulation" + std::to_string(c.accumulation) : "");
}

class SameWeights : public testing::TestWithParam<Case> {};

TEST_P(SameWeights, AsSerialAtTheSameGlobalBatch) {
  const Trained serial = train({"serial", GetParam().optimizer});
  const Trained shared = train(GetParam());
  if (serial.weights.empty() || shared.weights.empty()) return;  // compared on rank 0
  EXPECT_LT(relative_difference(serial.weights, shared.weights), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Strategies, SameWeights,
                         testing::Values(Case{"ddp"}, Case{"hierarchical"}, Case{"zero1"},
                                         Case{"dataparallel"}, Case{"ddp", "adamw"},
                                         Case{"zero1", "adam"}, Case{"hierarchical", "adam"},
                                         Case{"ddp", "sgd", 3}, Case{"zero1", "adamw", 2},
                                         Case{"dataparallel", "sgd", 2}),
                         name_of);

TEST(Strategies, HoldTheSameWeightsOnAllRanks) {
  for (const char* strategy : {"ddp", "hierarchical", "zero1"}) {
    const Trained trained = train({strategy});
    double sum = 0;
    for (const torch::Tensor& w : trained.weights) sum += w.sum().item<double>();
    for (const std::string& other : world().all_gather(std::to_string(sum))) {
      EXPECT_EQ(other, std::to_string(sum)) << strategy;
    }
  }
}

TEST(Zero1, HoldsItsShareOfTheState) {
  const double whole = train({"ddp", "adam"}).state_bytes;
  const double share = train({"zero1", "adam"}).state_bytes;
  const double padding = 2 * 4 * 16.0 * 20;  // per bucket and rank at most
  EXPECT_GE(share, whole / world().size());
  EXPECT_LE(share, whole / world().size() + padding);
}

class Resumes : public testing::TestWithParam<std::string> {};

TEST_P(Resumes, WithTheStateThatRanksShareOut) {
  const TemporaryFolder folder;  // rank 0's counts
  const Workload workload = find_workload("mnist-cnn", "1x12x12");
  const auto data = synthetic_data(workload);
  const auto group = world().split(0);
  TrainerOptions options;
  options.strategy = GetParam();
  options.optimizer = Optimizer::named("adam");
  const auto steps = [&](Trainer& trainer, int first, int last) {
    for (int64_t i = first; i < last; ++i) trainer.step(*data, {10 * i + world().rank()});
  };
  Trainer whole(workload, options), before(workload, options), after(workload, options);
  whole.attach(*group);
  steps(whole, 0, 6);
  before.attach(*group);
  steps(before, 0, 3);
  before.prepare_save();
  if (world().rank() == 0) {
    before.save(folder.path() / "c.pt", "a note");
    EXPECT_EQ(after.load(folder.path() / "c.pt"), "a note");
  }
  after.attach(*group);
  steps(after, 3, 6);
  EXPECT_LT(relative_difference(whole.parameters(), after.parameters()), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Strategies, Resumes, testing::Values("ddp", "zero1"),
                         [](const auto& tested) { return tested.param; });

class SendsAsTheModelSays : public testing::TestWithParam<std::string> {};

/// What a step really sent is what the formula in model/strategy.h counts: every collective of the
/// pattern that this rank takes part in, once a bucket (or a step), with all the bytes.
TEST_P(SendsAsTheModelSays, InBytesAndNumber) {
  const StrategyPattern& pattern = strategy_pattern(GetParam());
  const Trained trained = train({GetParam()});
  if (trained.traces.empty()) return;  // other ranks than the one that drives all
  const bool leads_node = world().rank() % 2 == 0;
  double weight_bytes = 0;
  for (const torch::Tensor& w : trained.weights) weight_bytes += static_cast<double>(w.nbytes());
  std::set<int> buckets;
  for (const BucketTrace& trace : trained.traces) buckets.insert(std::max(trace.bucket, 0));
  size_t expected = 0;
  for (const Sending& sending : pattern.each()) {
    if (sending.among == Among::kLeaders && !leads_node) continue;
    double bytes = 0;
    size_t times = 0;
    for (const BucketTrace& trace : trained.traces) {
      if (trace.collective != sending.collective) continue;
      ++times;
      bytes += trace.size_bytes;
      EXPECT_LE(trace.start_s, trace.end_s);
      EXPECT_LE(trace.ready_s, trace.end_s);
    }
    EXPECT_EQ(times, pattern.in_buckets ? buckets.size() : 1);
    EXPECT_GE(bytes, weight_bytes);
    EXPECT_LE(bytes, weight_bytes * 1.02);  // parameters lie on cache lines
    expected += times;
  }
  EXPECT_EQ(trained.traces.size(), expected);  // and nothing else
}

INSTANTIATE_TEST_SUITE_P(Strategies, SendsAsTheModelSays,
                         testing::Values("ddp", "hierarchical", "zero1", "dataparallel"),
                         [](const auto& tested) { return tested.param; });

TEST(Traffic, CountsWhatDdpSends) {
  const Workload workload = find_workload("mnist-cnn", "1x12x12");
  const auto data = synthetic_data(workload);
  const auto group = world().split(0);
  TrainerOptions options;
  options.accumulation = 2;
  Trainer trainer(workload, options);
  trainer.attach(*group);
  double sent = 0;
  for (int step = 0; step < 3; ++step) {
    for (const BucketTrace& trace : trainer.step(*data, {0, 1, 2, 3}).buckets) {
      sent += trace.size_bytes;
    }
  }
  EXPECT_EQ(group->traffic(Collective::kAllreduce).bytes, sent);  // micro-steps send nothing
  EXPECT_EQ(group->traffic(Collective::kReduce).calls, 0);
}

/// convolution - batch normalization - classes
class NormalizedCnn : public NeuralNetwork {
 public:
  NormalizedCnn(const InputShape& input, int classes)
      : conv_(register_module("conv", torch::nn::Conv2d(input.channels, 8, 3))),
        norm_(register_module("norm", torch::nn::BatchNorm2d(8))),
        fc_(register_module(
            "fc", torch::nn::Linear(8 * (input.height - 2) * (input.width - 2), classes))) {}
  torch::Tensor forward(const torch::Tensor& inputs) override {
    return fc_(torch::relu(norm_(conv_(inputs))).flatten(1));
  }

 private:
  torch::nn::Conv2d conv_;
  torch::nn::BatchNorm2d norm_;
  torch::nn::Linear fc_;
};

/// With batch normalization statistics are of a rank's own samples: another training. How far off
/// is printed, not hidden.
TEST(BatchNormalization, DifferenceIsPrinted) {
  Workload workload = find_workload("mnist-cnn", "1x12x12");
  workload.make = [](const InputShape& input, int classes) {
    return std::make_shared<NormalizedCnn>(input, classes);
  };
  const Trained serial = train({"serial"}, workload);
  for (const char* strategy : {"ddp", "hierarchical", "zero1", "dataparallel"}) {
    const Trained shared = train({strategy}, workload);
    if (serial.weights.empty() || shared.weights.empty()) continue;
    const double difference = relative_difference(serial.weights, shared.weights);
    std::printf("batch normalization, %d steps: %s differs from serial by %.2g (relative)\n",
                kSteps, strategy, difference);
    EXPECT_GT(difference, 1e-5);
    EXPECT_TRUE(std::isfinite(difference));
  }
}

TEST(Bfloat16, TrainsNearlyAsFloat32) {
  const Trained wide = train({"ddp"}), narrow = train({"ddp", "sgd", 1, "bfloat16"});
  const double difference = relative_difference(wide.weights, narrow.weights);
  EXPECT_GT(difference, 1e-7);  // it did compute in other numbers
  EXPECT_LT(difference, 0.05);
  for (const torch::Tensor& w : narrow.weights) EXPECT_EQ(w.scalar_type(), torch::kFloat32);
}

}  // namespace
}  // namespace forerun

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  forerun::set_up_compute(1);
  forerun::MpiRuntime mpi;
  forerun::g_mpi = &mpi;
  mpi.world().set_node(mpi.world().rank() / 2);
  if (mpi.world().rank() > 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
  }
  const int failed = RUN_ALL_TESTS();
  if (failed != 0) std::fprintf(stderr, "rank %d failed\n", mpi.world().rank());
  return failed;
}
