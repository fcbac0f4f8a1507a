#include "measure/cuda/nccl_communicator.h"

#include <dlfcn.h>
#include <nccl.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

#include "measure/clock.h"
#include "measure/cuda/check.h"
#include "measure/cuda/cuda_clock.h"
#include "model/io/command_line.h"

namespace forerun {
namespace {

constexpr auto kWatchPeriod = std::chrono::milliseconds(100);
constexpr auto kProgressPoll = std::chrono::microseconds(50);

int series(int version) { return version / 100; }  // major and minor

/// 22809 of `2.28.9`; 0 of anything else.
int version_code(const std::string& text) {
  int major = 0, minor = 0, patch = 0;
  if (std::sscanf(text.c_str(), "%d.%d.%d", &major, &minor, &patch) < 2) return 0;
  return NCCL_VERSION(major, minor, patch);
}

/// A collective whose end the watcher waits for.
struct UnderWay {
  Mark end;
  std::string what;
  double since_s = 0;  ///< on clock_now()
};

/// A communicator as the watcher sees it.
struct Watched {
  ncclComm_t comm = nullptr;
  std::string name;
};

}  // namespace

class NcclRuntime::State {
 public:
  /// The device is current.
  explicit State(NcclOptions given) : options(std::move(given)), clock(cuda_clock()) {
    int lowest = 0, highest = 0;
    CUDA_CHECK(cudaDeviceGetStreamPriorityRange(&lowest, &highest));
    CUDA_CHECK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, highest));
    watcher_ = std::thread([this] { watch(); });
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    watcher_.join();
    if (failure_.empty()) cudaStreamDestroy(stream);
  }

  void add(const Watched& communicator) {
    const std::lock_guard lock(mutex_);
    communicators_.push_back(communicator);
  }
  void remove(ncclComm_t comm) {
    const std::lock_guard lock(mutex_);
    std::erase_if(communicators_, [&](const Watched& w) { return w.comm == comm; });
  }
  void expect(const Mark& end, std::string what) {
    const std::lock_guard lock(mutex_);
    under_way_.push_back({end, std::move(what), clock_now()});
  }
  /// Throws Error once anything went wrong: what is in the buffers is worth nothing.
  void require_sound() const {
    const std::lock_guard lock(mutex_);
    if (!failure_.empty()) throw Error(failure_);
  }

  /// Waits in the host until a call on a communicator that does not block is done. Throws Error
  /// where it failed, or took longer than the timeout.
  void finish(ncclResult_t code, ncclComm_t comm, const std::string& what) const {
    const double since_s = clock_now();
    while (code == ncclSuccess || code == ncclInProgress) {
      ncclResult_t state = ncclSuccess;
      NCCL_CHECK(ncclCommGetAsyncError(comm, &state));
      if (state == ncclSuccess) return;
      code = state;
      if (clock_now() - since_s > options.timeout_s) {
        throw Error("NCCL: " + what + " took longer than " +
                    format_duration(Seconds<>(options.timeout_s)) +
                    "; a peer may hang, or --timeout is too short");
      }
      std::this_thread::sleep_for(kProgressPoll);
    }
    throw Error("NCCL: " + what + " failed: " + nccl_error_text(code, comm));
  }

  const NcclOptions options;
  CudaClock& clock;
  cudaStream_t stream = nullptr;

 private:
  /// What went wrong, or nothing.
  std::string trouble() {
    for (const Watched& w : communicators_) {
      ncclResult_t state = ncclSuccess;
      const ncclResult_t code = ncclCommGetAsyncError(w.comm, &state);
      if (code != ncclSuccess) state = code;
      if (state != ncclSuccess && state != ncclInProgress) {
        return "NCCL lost a peer, or the network to it, in " + w.name + ": " +
               nccl_error_text(state, w.comm);
      }
    }
    while (!under_way_.empty()) {
      const UnderWay& first = under_way_.front();
      const cudaError_t code = cudaEventQuery(event_of(first.end));
      if (code == cudaErrorNotReady) {
        if (clock_now() - first.since_s <= options.timeout_s) return "";
        return "NCCL: " + first.what + " is not done after " +
               format_duration(Seconds<>(options.timeout_s)) +
               "; a peer may hang, or --timeout is too short";
      }
      if (code != cudaSuccess) {
        return std::string("CUDA: ") + cudaGetErrorString(code) + " at or before " + first.what;
      }
      under_way_.pop_front();
    }
    return "";
  }

  void watch() {
    CUDA_CHECK(cudaSetDevice(options.device));
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      failure_ = trouble();
      if (!failure_.empty()) {
        // Without the abort the kernels of this rank would wait for their peers for ever.
        for (const Watched& w : communicators_) ncclCommAbort(w.comm);
        communicators_.clear();
        under_way_.clear();
        const std::string what = failure_;
        lock.unlock();
        if (options.failed) options.failed(what);
        return;
      }
      changed_.wait_for(lock, kWatchPeriod);
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::string failure_;
  std::vector<Watched> communicators_;
  std::deque<UnderWay> under_way_;  ///< on one stream: they end in this order
  std::thread watcher_;
};

namespace {

using State = NcclRuntime::State;

class PendingNccl : public PendingCollective {
 public:
  PendingNccl(std::shared_ptr<State> state, Mark started, Mark ended)
      : state_(std::move(state)), started_(std::move(started)), ended_(std::move(ended)) {}

  void wait() override {
    state_->require_sound();
    CUDA_CHECK(cudaStreamWaitEvent(state_->options.current_stream(), event_of(ended_), 0));
  }
  double started_s() const override { return seconds(started_); }
  double ended_s() const override { return seconds(ended_); }
  /// Until it is done, or failed: the host waits.
  void wait_in_host() {
    while (true) {
      const cudaError_t code = cudaEventQuery(event_of(ended_));
      if (code == cudaSuccess) return state_->require_sound();
      if (code != cudaErrorNotReady) check_cuda(code, "a collective", __FILE__, __LINE__);
      state_->require_sound();
      std::this_thread::yield();
    }
  }

 private:
  double seconds(const Mark& mark) const {
    state_->require_sound();
    return state_->clock.seconds(mark);
  }

  std::shared_ptr<State> state_;
  Mark started_, ended_;
};

ncclConfig_t without_blocking() {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;  // or nothing could end the start of a group whose peer never comes
  return config;
}

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
                   std::unique_ptr<Communicator> owned, ncclComm_t comm)
      : state_(std::move(state)), owned_(std::move(owned)), control_(control), comm_(comm) {
    state_->add({comm_, name()});
  }
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;
  ~NcclCommunicator() override {
    state_->remove(comm_);
    try {
      state_->require_sound();  // or it was aborted
      state_->finish(ncclCommFinalize(comm_), comm_, "the end of " + name());
      ncclCommDestroy(comm_);
    } catch (const Error&) {  // the job is ending already, by this or another rank's words
    }
  }

  /// A new group of all members of `control`. Collective.
  static ncclComm_t start(State& state, Communicator& control) {
    ncclUniqueId id = {};
    if (control.rank() == 0) NCCL_CHECK(ncclGetUniqueId(&id));
    control.broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
    ncclConfig_t config = without_blocking();
    ncclComm_t comm = nullptr;
    CUDA_CHECK(cudaSetDevice(state.options.device));
    const ncclResult_t code =
        ncclCommInitRankConfig(&comm, control.size(), id, control.rank(), &config);
    state.finish(code, comm, "starting " + std::to_string(control.size()) + " ranks");
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

  std::unique_ptr<Communicator> split(int color) override {
    state_->require_sound();
    std::unique_ptr<Communicator> part = control_.split(color);
    ncclComm_t comm = nullptr;
    if (state_->options.splits) {
      comm = split_off(color);
    } else if (part != nullptr) {
      comm = start(*state_, *part);
    }
    if (part == nullptr) return nullptr;
    Communicator& control = *part;
    auto group = std::make_unique<NcclCommunicator>(state_, control, std::move(part), comm);
    group->set_node(node());
    return group;
  }

 private:
  std::string name() const { return "a group of " + std::to_string(size()) + " ranks"; }

  ncclComm_t split_off(int color) {
    ncclComm_t comm = nullptr;
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 18, 0)
    ncclConfig_t config = without_blocking();
    const ncclResult_t code =
        ncclCommSplit(comm_, color < 0 ? NCCL_SPLIT_NOCOLOR : color, rank(), &comm, &config);
    state_->finish(code, comm_, "splitting " + name());
    if (comm != nullptr) state_->finish(ncclInProgress, comm, "starting a part of " + name());
#endif
    return comm;
  }

  std::unique_ptr<PendingNccl> enqueue(Collective collective, std::span<float> buffer, int root,
                                       Reduction reduction) {
    state_->require_sound();
    const cudaStream_t stream = state_->stream;
    const Mark ready = state_->clock.record(state_->options.current_stream());
    CUDA_CHECK(cudaStreamWaitEvent(stream, event_of(ready), 0));
    Mark started = state_->clock.record(stream);
    const std::string what = std::string(collective_name(collective)) + " in " + name();
    state_->finish(
        call_nccl(collective, buffer, root, reduction == Reduction::kMean ? ncclAvg : ncclSum,
                  rank(), size(), comm_, stream),
        comm_, what);
    if (collective == Collective::kReduceScatter && rank() > 0) {
      // NCCL leaves the sum in place of this rank's block; the interface, in the first.
      const size_t block = buffer.size_bytes() / size();
      CUDA_CHECK(cudaMemcpyAsync(buffer.data(), std::as_bytes(buffer).data() + block * rank(),
                                 block, cudaMemcpyDeviceToDevice, stream));
    }
    Mark ended = state_->clock.record(stream);
    state_->expect(ended, what);
    return std::make_unique<PendingNccl>(state_, std::move(started), std::move(ended));
  }

  void run_here(Collective collective, std::span<float> buffer, int root) override {
    enqueue(collective, buffer, root, Reduction::kSum)->wait_in_host();
  }
  double timed_here(Collective collective, std::span<float> buffer, int root) override {
    state_->clock.anchor();
    const auto pending = enqueue(collective, buffer, root, Reduction::kSum);
    pending->wait_in_host();
    return pending->ended_s() - pending->started_s();
  }
  std::unique_ptr<PendingCollective> start_behind(Collective collective, std::span<float> buffer,
                                                  int root, Reduction reduction) override {
    return enqueue(collective, buffer, root, reduction);
  }

  std::shared_ptr<State> state_;
  std::unique_ptr<Communicator> owned_;
  Communicator& control_;
  ncclComm_t comm_;
};

}  // namespace

NcclLibrary loaded_nccl() {
  NcclLibrary library;
  NCCL_CHECK(ncclGetVersion(&library.version));
  Dl_info where = {};
  if (::dladdr(reinterpret_cast<void*>(&ncclGetVersion), &where) != 0)
    library.path = where.dli_fname;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t slash = line.find('/');
    if (slash == std::string::npos || line.find("/libnccl.so") == std::string::npos) continue;
    const std::string path = line.substr(slash);
    if (std::ranges::find(library.mapped, path) == library.mapped.end()) {
      library.mapped.push_back(path);
    }
  }
  return library;
}

std::string nccl_version_text(int code) {
  return std::to_string(code / 10000) + "." + std::to_string(code / 100 % 100) + "." +
         std::to_string(code % 100);
}

void require_matching_nccl(const NcclLibrary& loaded, int header_version,
                           const std::string& torch_version) {
  if (loaded.mapped.size() > 1) {
    std::string paths;
    for (const std::string& path : loaded.mapped) paths += (paths.empty() ? "" : ", ") + path;
    throw Error("two copies of NCCL in one process (" + paths +
                "): calls of one reach the other; leave one of them in LD_LIBRARY_PATH");
  }
  const std::string found =
      "NCCL " + nccl_version_text(loaded.version) + " (" + loaded.path + ") was loaded, but ";
  const std::string remedy = "; put the right one first in LD_LIBRARY_PATH, or build again";
  if (series(loaded.version) != series(header_version)) {
    throw Error(found + "measure was built for " + nccl_version_text(header_version) + remedy);
  }
  const int torch = version_code(torch_version);
  if (torch != 0 && series(loaded.version) != series(torch)) {
    throw Error(found + "LibTorch was built with " + torch_version + remedy);
  }
}

NcclRuntime::NcclRuntime(NcclOptions options) {
  require_matching_nccl(loaded_nccl(), NCCL_VERSION_CODE, FORERUN_TORCH_NCCL);
  CUDA_CHECK(cudaSetDevice(options.device));
  options.splits = options.splits && NCCL_VERSION_CODE >= NCCL_VERSION(2, 18, 0);
  state_ = std::make_shared<State>(std::move(options));
}

NcclRuntime::~NcclRuntime() = default;

std::unique_ptr<Communicator> NcclRuntime::world(Communicator& control) {
  ncclComm_t comm = NcclCommunicator::start(*state_, control);
  return std::make_unique<NcclCommunicator>(state_, control, nullptr, comm);
}

}  // namespace forerun
