#include "measure/cuda/nccl_communicator.h"

#include <nccl.h>

#include <atomic>
#include <bit>
#include <optional>
#include <set>
#include <span>
#include <thread>
#include <utility>

#include "measure/cuda/attempt.h"
#include "measure/cuda/check.h"
#include "measure/cuda/cuda_clock.h"
#include "measure/cuda/memory_tally.h"
#include "measure/cuda/nccl_library.h"
#include "measure/cuda/nccl_watch.h"
#include "measure/cuda/stream_gate.h"

namespace forerun {

class NcclRuntime::State {
 public:
  /// The device is current.
  explicit State(NcclOptions given)
      : options(std::move(given)),
        clock(cuda_clock()),
        watch(options.device, options.timeout_s, options.failed) {
    int lowest = 0, highest = 0;
    CUDA_CHECK(cudaDeviceGetStreamPriorityRange(&lowest, &highest));
    CUDA_CHECK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, highest));
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (watch.sound()) cudaStreamDestroy(stream);
  }

  const NcclOptions options;
  CudaClock& clock;
  NcclWatch watch;
  cudaStream_t stream = nullptr;
  std::shared_ptr<MemoryTally> tally = std::make_shared<MemoryTally>();
};

namespace {

using State = NcclRuntime::State;

class PendingNccl : public PendingCollective {
 public:
  PendingNccl(std::shared_ptr<State> state, Mark started, Mark ended)
      : state_(std::move(state)), started_(std::move(started)), ended_(std::move(ended)) {}

  void wait() override {
    state_->watch.require_sound();
    CUDA_CHECK(cudaStreamWaitEvent(state_->options.current_stream(), event_of(ended_), 0));
  }
  double started_s() const override { return seconds(started_); }
  double ended_s() const override { return seconds(ended_); }
  /// Until it is done, or failed: the host waits.
  void wait_in_host() {
    while (true) {
      const bool done = has_passed(event_of(ended_));
      state_->watch.require_sound();
      if (done) return;
      std::this_thread::yield();
    }
  }

 private:
  double seconds(const Mark& mark) const {
    state_->watch.require_sound();
    return state_->clock.seconds(mark);
  }

  std::shared_ptr<State> state_;
  Mark started_, ended_;
};

/// One collective, in place, as Communicator::run() describes it.
ncclResult_t call_nccl(Collective collective, std::span<float> buffer, int root, ncclRedOp_t sum,
                       int rank, int size, ncclComm_t comm, cudaStream_t stream) {
  float* const data = buffer.data();
  const size_t block = buffer.size() / size;  // equal blocks: see count()
  float* const mine = data + block * rank;
  switch (collective) {
    case Collective::kAllreduce:
      return ncclAllReduce(data, data, buffer.size(), ncclFloat, sum, comm, stream);
    case Collective::kReduce:
      return ncclReduce(data, data, buffer.size(), ncclFloat, sum, root, comm, stream);
    case Collective::kBroadcast:
      return ncclBroadcast(data, data, buffer.size(), ncclFloat, root, comm, stream);
    case Collective::kReduceScatter:
      return ncclReduceScatter(data, mine, block, ncclFloat, sum, comm, stream);
    case Collective::kAllGather:
      return ncclAllGather(mine, data, block, ncclFloat, comm, stream);
  }
  return ncclInvalidArgument;
}

class NcclCommunicator : public Communicator {
 public:
  /// Of the members of `control`; of `owned` too, where it is not the caller's.
  NcclCommunicator(std::shared_ptr<State> state, Communicator& control,
                   std::unique_ptr<Communicator> owned, ncclComm_t comm,
                   std::shared_ptr<MemoryTally> tally)
      : state_(std::move(state)),
        owned_(std::move(owned)),
        control_(control),
        comm_(comm),
        tally_(std::move(tally)) {
    state_->watch.add(comm_, name());
  }
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;
  ~NcclCommunicator() override {
    state_->watch.remove(comm_);
    tally_->add(-tally_->bytes);
    if (!state_->watch.sound()) return;  // it was aborted
    ncclCommFinalize(comm_);
    ncclCommDestroy(comm_);
  }

  /// A new group of all members of `control`. Collective.
  static ncclComm_t start(State& state, Communicator& control) {
    ncclUniqueId id = {};
    if (control.rank() == 0) NCCL_CHECK(ncclGetUniqueId(&id));
    control.broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
    ncclComm_t comm = nullptr;
    CUDA_CHECK(cudaSetDevice(state.options.device));
    const NcclWatch::Call call(state.watch);
    NCCL_CHECK(ncclCommInitRank(&comm, control.size(), id, control.rank()));
    return comm;
  }

  int rank() const override { return control_.rank(); }
  int size() const override { return control_.size(); }
  std::string transport() const override { return "nccl"; }
  bool averages() const override { return true; }
  std::shared_ptr<float[]> memory(size_t floats) override {
    float* data = nullptr;
    CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&data), floats * sizeof(float)));
    std::shared_ptr<float[]> owner(data, [](float* d) { cudaFree(d); });
    CUDA_CHECK(cudaMemset(data, 0, floats * sizeof(float)));
    return owner;
  }

  void broadcast(std::span<std::byte> buffer, int root) override {
    control_.broadcast(buffer, root);
  }
  void barrier() override { control_.barrier(); }
  void park() override { control_.park(); }
  std::vector<std::string> gather(const std::string& message, int root) override {
    return control_.gather(message, root);
  }
  [[noreturn]] void abort(int exit_code) override {
    control_.abort(exit_code);
    std::abort();  // not reached
  }

  LibraryMemory library_memory() const override {
    return {tally_->bytes, state_->tally->bytes - tally_->bytes};
  }

  bool prepare(const std::function<void()>& work) override {
    {
      const MemoryTaken taken(*tally_);
      Attempt attempt(state_->options.device, work);
      if (attempt.succeeds(control_)) return true;
      give_up();  // ends the calls and kernels of those that wait for the one that failed
    }
    tally_->add(-tally_->bytes);
    seen_.clear();
    const MemoryTaken taken(*tally_);
    comm_ = start(*state_, control_);
    state_->watch.add(comm_, name());
    given_up_ = false;
    return false;
  }

  std::unique_ptr<Communicator> split(int color) override {
    state_->watch.require_sound();
    std::unique_ptr<Communicator> part = control_.split(color);
    ncclComm_t comm = nullptr;
    auto tally = std::make_shared<MemoryTally>(tally_);
    std::optional<MemoryTaken> taken(*tally);
    if (state_->options.splits) {
      comm = split_off(color);
    } else if (part != nullptr) {
      comm = start(*state_, *part);
    }
    taken.reset();
    if (part == nullptr) return nullptr;
    Communicator& control = *part;
    auto group = std::make_unique<NcclCommunicator>(state_, control, std::move(part), comm,
                                                    std::move(tally));
    group->set_node(node());
    return group;
  }

 private:
  std::string name() const { return "a group of " + std::to_string(size()) + " ranks"; }

  void give_up() {
    given_up_ = true;
    state_->watch.remove(comm_);
    state_->watch.await_calls();
    ncclCommAbort(comm_);
  }

  ncclComm_t split_off(int color) {
    ncclComm_t comm = nullptr;
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 18, 0)
    const NcclWatch::Call call(state_->watch);
    NCCL_CHECK(ncclCommSplit(comm_, color < 0 ? NCCL_SPLIT_NOCOLOR : color, rank(), &comm,
                             /*config=*/nullptr));
#endif
    return comm;
  }

  std::unique_ptr<PendingNccl> enqueue(Collective collective, std::span<float> buffer, int root,
                                       Reduction reduction) {
    const NcclWatch::Call call(state_->watch);
    if (given_up_) throw Error(std::string(collective_name(collective)) + " was given up");
    const cudaStream_t stream = state_->stream;
    const Mark ready = state_->clock.record(state_->options.current_stream());
    CUDA_CHECK(cudaStreamWaitEvent(stream, event_of(ready), 0));
    Mark started = state_->clock.record(stream);
    check_nccl(
        call_nccl(collective, buffer, root, reduction == Reduction::kMean ? ncclAvg : ncclSum,
                  rank(), size(), comm_, stream),
        collective_name(collective), __FILE__, __LINE__);
    if (collective == Collective::kReduceScatter && rank() > 0) {
      // NCCL leaves the sum in place of this rank's block; the interface, in the first.
      const size_t block = buffer.size_bytes() / size();
      CUDA_CHECK(cudaMemcpyAsync(buffer.data(), std::as_bytes(buffer).data() + block * rank(),
                                 block, cudaMemcpyDeviceToDevice, stream));
    }
    Mark ended = state_->clock.record(stream);
    state_->watch.expect(ended, std::string(collective_name(collective)) + " in " + name());
    return std::make_unique<PendingNccl>(state_, std::move(started), std::move(ended));
  }

  void run_here(Collective collective, std::span<float> buffer, int root) override {
    std::optional<MemoryTaken> taken;
    const auto size = std::bit_width(buffer.size());
    if (seen_.emplace(collective, size).second) taken.emplace(*tally_);  // may be the first
    enqueue(collective, buffer, root, Reduction::kSum)->wait_in_host();
  }
  std::vector<double> timed_here(Collective collective, std::span<float> buffer, int times,
                                 int root) override {
    control_.barrier();  // nobody's gate opens long before the others'
    state_->clock.anchor();
    std::vector<std::unique_ptr<PendingNccl>> pending;
    {
      const StreamGate gate(state_->stream);
      for (int i = 0; i < times; ++i) {
        pending.push_back(enqueue(collective, buffer, root, Reduction::kSum));
      }
    }
    std::vector<double> seconds;
    for (const auto& one : pending) {
      one->wait_in_host();
      seconds.push_back(one->ended_s() - one->started_s());
    }
    return seconds;
  }
  std::unique_ptr<PendingCollective> start_behind(Collective collective, std::span<float> buffer,
                                                  int root, Reduction reduction) override {
    return enqueue(collective, buffer, root, reduction);
  }

  std::shared_ptr<State> state_;
  std::unique_ptr<Communicator> owned_;
  Communicator& control_;
  ncclComm_t comm_;
  std::atomic<bool> given_up_ = false;  ///< no further call: it is being aborted
  std::shared_ptr<MemoryTally> tally_;
  std::set<std::pair<Collective, int>> seen_;  ///< and the logarithm of their lengths
};

}  // namespace

NcclRuntime::NcclRuntime(NcclOptions options) {
  require_matching_nccl(loaded_nccl(), NCCL_VERSION_CODE, FORERUN_TORCH_NCCL);
  CUDA_CHECK(cudaSetDevice(options.device));
  options.splits = options.splits && NCCL_VERSION_CODE >= NCCL_VERSION(2, 18, 0);
  state_ = std::make_shared<State>(std::move(options));
}

NcclRuntime::~NcclRuntime() = default;

std::unique_ptr<Communicator> NcclRuntime::world(Communicator& control) {
  const MemoryTaken taken(*state_->tally);
  ncclComm_t comm = NcclCommunicator::start(*state_, control);
  return std::make_unique<NcclCommunicator>(state_, control, nullptr, comm, state_->tally);
}

}  // namespace forerun
