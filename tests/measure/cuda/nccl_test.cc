// What our NCCL communicator asks of CUDA and NCCL, in which order: on a stand-in for both, which
// computes nothing.
#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "measure/clock.h"
#include "measure/cuda/check.h"
#include "measure/cuda/cuda_clock.h"
#include "measure/cuda/nccl_communicator.h"
#include "measure/cuda/nccl_library.h"
#include "measure/cuda/nccl_watch.h"
#include "measure/cuda/stream_gate.h"
#include "tests/measure/cuda/stand_in.h"
#include "tests/support.h"

namespace forerun {
namespace {

using Log = std::vector<std::string>;
using Floats = std::vector<float>;

/// Rank 1 of 2, whose peer agrees with everything.
class Control : public Communicator {
 public:
  explicit Control(int rank = 1, int size = 2) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string transport() const override { return "control"; }
  void broadcast(std::span<std::byte> buffer, int root) override {
    if (root != rank_) buffer[0] = std::byte{7};
  }
  void barrier() override {}
  void park() override {}
  std::vector<std::string> gather(const std::string&, int) override { return {}; }
  std::unique_ptr<Communicator> split(int color) override {
    return color < 0 ? nullptr : std::make_unique<Control>(0, 1);
  }
  [[noreturn]] void abort(int) override { std::abort(); }

 private:
  void run_here(Collective, std::span<float>, int) override { ADD_FAILURE() << "data by control"; }
  std::unique_ptr<PendingCollective> start_behind(Collective, std::span<float>, int,
                                                  Reduction) override {
    ADD_FAILURE() << "data by control";
    return nullptr;
  }
  int rank_, size_;
};

class Nccl : public testing::Test {
 protected:
  Nccl() {
    cuda_clock();  // anchors once per process
    LockedStandIn here;
    here->log.clear();
    here->nccl_version = NCCL_VERSION_CODE;
    here->stuck = false;
    here->launch_ms = 0;
    here->asynchronous = ncclSuccess;
    here->next_collective = ncclSuccess;
    here->last_error.clear();
    here->free_bytes = 5'000'000;
  }

  NcclOptions options(double timeout_s = 60) {
    return {0, [] { return kComputeStream; }, timeout_s,
            [this](const std::string& what) {
              const std::lock_guard lock(mutex_);
              failure_ = what;
              failed_.notify_all();
            }};
  }
  std::string failure() {
    std::unique_lock lock(mutex_);
    failed_.wait(lock, [this] { return !failure_.empty(); });
    return failure_;
  }
  static Log log() { return LockedStandIn()->take_log(); }

  Control control_;

 private:
  std::mutex mutex_;
  std::condition_variable failed_;
  std::string failure_;
};

/// Numbers of streams, communicators and events count from the first one named in the log.
Log renumbered(const Log& log) {
  std::map<std::string, std::map<std::string, int>> seen;
  Log out;
  for (const std::string& line : log) {
    std::string text;
    std::istringstream words(line);
    for (std::string word, last; words >> word; last = word) {
      if (last == "stream" || last == "comm" || last == "event") {
        auto& numbers = seen[last];
        word = std::to_string(
            numbers.try_emplace(word, static_cast<int>(numbers.size())).first->second);
      }
      text += (text.empty() ? "" : " ") + word;
    }
    out.push_back(text);
  }
  return out;
}

TEST_F(Nccl, StartsWithTheIdOfRankZero) {
  NcclRuntime runtime(options());
  const auto world = runtime.world(control_);
  EXPECT_EQ(renumbered(log()),
            (Log{"create stream 0 non-blocking priority -5", "start comm 0 id 7 rank 1 of 2"}));
  EXPECT_EQ(world->transport(), "nccl");
  EXPECT_TRUE(world->averages());
}

TEST_F(Nccl, StreamsWaitForEachOtherAndTheHostForNobody) {
  NcclRuntime runtime(options());
  const auto world = runtime.world(control_);
  log();
  Floats buffer(10);
  const auto pending = world->start(Collective::kAllreduce, buffer, 0, Reduction::kMean);
  pending->wait();
  EXPECT_EQ(renumbered(log()), (Log{"compute records event 0",  // gradients are ready
                                    "stream 0 waits for event 0",
                                    "stream 0 records event 1",  // it runs from here
                                    "allreduce 10 avg shift 0 comm 0 stream 0",
                                    "stream 0 records event 2",  // to here
                                    "compute waits for event 2"}));
  EXPECT_NEAR(pending->ended_s() - pending->started_s(), 1e-3, 1e-9);
}

TEST_F(Nccl, EveryCollectiveIsInPlace) {
  NcclRuntime runtime(options());
  const auto world = runtime.world(control_);
  Floats buffer(10);
  const auto call = [&](Collective collective, int root = 0) {
    log();
    world->start(collective, buffer, root)->wait();
    Log rest = renumbered(log());
    rest.erase(rest.begin(), rest.begin() + 3);
    rest.resize(rest.size() - 2);
    return rest;
  };
  EXPECT_EQ(call(Collective::kReduce, 1), Log{"reduce 10 sum to 1 shift 0 comm 0 stream 0"});
  EXPECT_EQ(call(Collective::kBroadcast, 1), Log{"broadcast 10 of 1 shift 0 comm 0 stream 0"});
  // Its own block lies 5 floats behind the first.
  EXPECT_EQ(call(Collective::kAllGather), Log{"all_gather 5 - shift -5 comm 0 stream 0"});
  EXPECT_EQ(call(Collective::kReduceScatter), (Log{"reduce_scatter 5 sum shift 5 comm 0 stream 0",
                                                   "copy 20 bytes from 20 stream 0"}));
  EXPECT_THROW(world->start(Collective::kAllGather, std::span(buffer).first(9)), Error);
}

TEST_F(Nccl, SweepsReadTheDevicesClockWithoutTheHostsTime) {
  NcclRuntime runtime(options());
  const auto world = runtime.world(control_);
  const auto memory = world->memory(4);
  EXPECT_EQ(memory[3], 0);
  LockedStandIn()->launch_ms = 5;  // a collective takes the device a fifth of that
  log();
  const std::vector<double> times = world->timed_runs(Collective::kAllreduce, {memory.get(), 4}, 3);
  ASSERT_EQ(times.size(), 3);
  for (const double time : times) EXPECT_NEAR(time, 1e-3, 1e-9);
  EXPECT_EQ(world->traffic(Collective::kAllreduce).bytes, 3 * 16);
  const Log lines = log();
  EXPECT_TRUE(lines.front().starts_with("host holds stream")) << lines.front();
  EXPECT_TRUE(lines.back().ends_with("go on")) << lines.back();  // with all of it given
}

TEST_F(Nccl, AskingWhetherAStreamIsDoneLeavesNoError) {
  NcclRuntime runtime(options(0.01));
  const auto world = runtime.world(control_);
  Floats buffer(10);
  LockedStandIn()->stuck = true;
  EXPECT_THROW(world->run(Collective::kAllreduce, buffer), Error);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  failure();
}

TEST_F(Nccl, AGateOpensByItself) {
  const StreamGate gate(kComputeStream);
  const Mark behind = cuda_clock().record(kComputeStream);
  while (!has_passed(event_of(behind))) std::this_thread::yield();
}

constexpr char kNoMemoryLeft[] = "Failed to CUDA calloc 6291456 bytes";

TEST_F(Nccl, SaysThatTheGpuIsOutOfMemory) {
  NcclRuntime runtime(options());
  const auto world = runtime.world(control_);
  Floats buffer(10);
  LockedStandIn()->next_collective = ncclUnhandledCudaError;
  LockedStandIn()->last_error = kNoMemoryLeft;
  const std::string said = error_of([&] { world->start(Collective::kAllreduce, buffer)->wait(); });
  EXPECT_TRUE(said.starts_with(
      "the GPU is out of memory for allreduce (5.00 MB of 80.0 GB are free); a smaller batch, "))
      << said;
}

/// Rank 0 of 2, whose peer says in turn how far it is.
class TalkingControl : public Control {
 public:
  explicit TalkingControl(std::vector<std::string> words)
      : Control(0, 2), words_(std::move(words)) {}
  std::vector<std::string> gather(const std::string& message, int) override {
    const std::string word = words_.front();
    if (words_.size() > 1) words_.erase(words_.begin());
    return {message, word};
  }

 private:
  std::vector<std::string> words_;
};

class Prepare : public Nccl {
 protected:
  /// Whether an all-reduce could be prepared beside a peer that says this.
  bool prepared(const std::vector<std::string>& words) {
    TalkingControl control(words);
    NcclRuntime runtime(options());
    const auto world = runtime.world(control);
    log();
    Floats buffer(10);
    const bool fits = world->prepare([&] { world->run(Collective::kAllreduce, buffer); });
    log_ = renumbered(log());
    world->run(Collective::kAllreduce, buffer);  // whatever came of it, it can be used
    return fits;
  }
  Log log_;
};

TEST_F(Prepare, IsDoneWhenAllAre) {
  EXPECT_TRUE(prepared({"at work", "at work", "done"}));
  EXPECT_EQ(log_.back(), "stream 0 records event 2");
}

TEST_F(Prepare, StartsAnewWhereMemoryIsShortHere) {
  LockedStandIn()->next_collective = ncclUnhandledCudaError;
  LockedStandIn()->last_error = "Cuda failure 2 'out of memory'";
  EXPECT_FALSE(prepared({"at work"}));
  const Log end(log_.end() - 3, log_.end());
  EXPECT_EQ(end, (Log{"abort comm 0", "unique id", "start comm 1 id 42 rank 0 of 2"}));
}

TEST_F(Prepare, StartsAnewWhereMemoryIsShortElsewhere) {
  LockedStandIn()->stuck = true;  // our kernel waits for the peer's, until it is aborted
  EXPECT_FALSE(prepared({"at work", "at work", "no memory"}));
  const Log end(log_.end() - 3, log_.end());
  EXPECT_EQ(end, (Log{"abort comm 0", "unique id", "start comm 1 id 42 rank 0 of 2"}));
}

TEST_F(Nccl, SplitsTheCommunicatorItHas) {
  NcclRuntime runtime(options());
  const auto world = runtime.world(control_);
  world->set_node(3);
  log();
  const auto part = world->split(0);
  EXPECT_EQ(world->split(-1), nullptr);
  EXPECT_EQ(renumbered(log()), (Log{"split comm 0 color 0 key 1", "split comm 0 color -1 key 1"}));
  EXPECT_EQ(part->size(), 1);
  EXPECT_EQ(part->node(), 3);
}

TEST_F(Nccl, CountsMemoryByGroup) {
  NcclRuntime runtime(options());
  const auto world = runtime.world(control_);
  EXPECT_EQ(world->library_memory().group_bytes, 1000);
  const auto part = world->split(0);
  const auto inner = part->split(0), other = world->split(0);
  EXPECT_EQ(world->library_memory().group_bytes, 4000);
  EXPECT_EQ(part->library_memory().group_bytes, 2000);  // with what was split from it
  EXPECT_EQ(part->library_memory().others_bytes, 2000);
}

TEST_F(Nccl, StartsAnotherBefore218) {
  // The world's control has two ranks, its part one: this process is its rank 0, and asks for an
  // id.
  NcclOptions without = options();
  without.splits = false;
  NcclRuntime runtime(without);
  const auto world = runtime.world(control_);
  log();
  const auto part = world->split(0);
  EXPECT_EQ(world->split(-1), nullptr);
  EXPECT_EQ(renumbered(log()), (Log{"unique id", "start comm 0 id 42 rank 0 of 1"}));
}

TEST_F(Nccl, EndsInOrder) {
  NcclRuntime runtime(options());
  auto world = runtime.world(control_);
  log();
  world.reset();
  EXPECT_EQ(renumbered(log()), (Log{"finalize comm 0", "destroy comm 0"}));
}

TEST_F(Nccl, AbortsWhenAPeerIsLost) {
  NcclRuntime runtime(options());
  auto world = runtime.world(control_);
  Floats buffer(10);
  LockedStandIn()->stuck = true;
  const auto pending = world->start(Collective::kAllreduce, buffer);
  log();
  LockedStandIn()->asynchronous = ncclRemoteError;
  EXPECT_EQ(
      failure(),
      "NCCL lost a peer, or the network to it, in a group of 2 ranks: remote process exited or "
      "there was a network error");
  EXPECT_EQ(renumbered(log()), Log{"abort comm 0"});
  EXPECT_THROW(pending->wait(), Error);
  EXPECT_THROW(world->start(Collective::kAllreduce, buffer), Error);
  world.reset();
  EXPECT_EQ(log(), Log{});  // an aborted communicator is not destroyed again
}

TEST_F(Nccl, AbortsWhatTakesTooLong) {
  NcclRuntime runtime(options(0.01));
  const auto world = runtime.world(control_);
  Floats buffer(10);
  LockedStandIn()->stuck = true;
  EXPECT_THROW(world->run(Collective::kAllreduce, buffer), Error);  // waits in the host
  EXPECT_NE(failure().find("allreduce in a group of 2 ranks is not done after"), std::string::npos);
}

TEST_F(Nccl, DoesNotAbortBelowACallThatIsUnderWay) {
  const auto comm = reinterpret_cast<ncclComm_t>(77);
  const NcclOptions given = options();
  NcclWatch watch(0, 60, given.failed);
  watch.add(comm, "a group");
  {
    const NcclWatch::Call call(watch);
    LockedStandIn()->asynchronous = ncclRemoteError;
    while (watch.sound()) std::this_thread::yield();
    EXPECT_EQ(log(), Log{});
    EXPECT_THROW(NcclWatch::Call another(watch), Error);
  }
  failure();
  EXPECT_EQ(log(), Log{"abort comm 77"});
}

TEST_F(Nccl, LibrariesMustMatch) {
  const NcclLibrary loaded{22809, "/opt/libnccl.so.2", {"/opt/libnccl.so.2"}};
  EXPECT_NO_THROW(require_matching_nccl(loaded, 22803, "2.28.9"));
  EXPECT_NO_THROW(require_matching_nccl(loaded, 22809, ""));
  EXPECT_EQ(error_of([&] { require_matching_nccl(loaded, 22703, ""); }),
            "NCCL 2.28.9 (/opt/libnccl.so.2) was loaded, but measure was built for 2.27.3; put the "
            "right one first in LD_LIBRARY_PATH, or build again");
  EXPECT_NE(error_of([&] {
              require_matching_nccl(loaded, 22809, "2.27.5");
            }).find("LibTorch was built with 2.27.5"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              require_matching_nccl({22809, "/a", {"/a", "/b"}}, 22809, "");
            }).find("two copies of NCCL in one process (/a, /b)"),
            std::string::npos);
}

TEST_F(Nccl, ClockReadsMarksAndKeepsEventsThatAreInUse) {
  CudaClock& clock = cuda_clock();
  const Mark first = clock.record(kComputeStream);
  LockedStandIn()->host_ms += 1;
  {
    const Mark second = clock.record(kComputeStream), copy = second;
    EXPECT_NE(event_of(first), event_of(second));
    EXPECT_NEAR(clock.seconds(copy) - clock.seconds(first), 1e-3, 1e-9);
  }
  EXPECT_NE(event_of(clock.record(kComputeStream)), event_of(first));
  EXPECT_EQ(clock.seconds({12.5, nullptr}), 12.5);
  LockedStandIn()->stuck = true;
  EXPECT_THROW(clock.seconds(first), Error);
}

}  // namespace
}  // namespace forerun
