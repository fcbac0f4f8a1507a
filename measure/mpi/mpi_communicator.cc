#include "measure/mpi/mpi_communicator.h"

#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "measure/clock.h"
#include "model/error.h"

namespace forerun {
namespace {

constexpr size_t kLargestCount = size_t{1} << 30;  // MPI counts are int
constexpr auto kParkedPoll = std::chrono::milliseconds(1);
constexpr auto kMeetingPoll = std::chrono::microseconds(100);

std::string mpi_error_text(int code) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return text;
}

/// Throws Error naming the call.
void check(int code, const char* call) {
  if (code != MPI_SUCCESS) throw Error(std::string(call) + " failed: " + mpi_error_text(code));
}

/// One thread is inside MPI at a time.
std::mutex& mpi_mutex() {
  static std::mutex mutex;
  return mutex;
}

/// Executes tasks one by one, in order: on a thread of its own, or, if `threaded` is false, in the
/// thread that waits for them.
class Worker {
 public:
  explicit Worker(bool threaded) : threaded_(threaded) {
    if (threaded_) thread_ = std::thread([this] { run(); });
  }
  ~Worker() {
    if (!threaded_) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void add(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    changed_.notify_all();
  }

  /// Runs what is queued, where there is no thread for it.
  void drain_here() {
    while (!threaded_ && !tasks_.empty()) {
      tasks_.front()();
      tasks_.pop_front();
    }
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  const bool threaded_;
  bool stopping_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::thread thread_;
};

/// Threads inside PendingCollective::wait(): then the worker may take the processor.
std::atomic<int> g_waiting = 0;

/// Returns once every rank's worker is here. A blocking collective would spin until its last peer
/// arrives, on the core that still computes; this sleeps as long as nobody waits for it.
int meet(MPI_Comm comm) {
  MPI_Request request;
  int code = MPI_Ibarrier(comm, &request);
  for (int done = 0; code == MPI_SUCCESS;) {
    code = MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done) break;
    if (g_waiting == 0) std::this_thread::sleep_for(kMeetingPoll);
  }
  return code;
}

Worker* g_worker = nullptr;  // lives as long as the MpiRuntime

/// Shared between the waiting thread and the worker.
class PendingTask : public PendingCollective {
 public:
  struct State {
    std::mutex mutex;
    std::condition_variable finished;
    bool done = false;
    int code = MPI_SUCCESS;
    double started_s = 0, ended_s = 0;
    Collective collective = Collective::kAllreduce;
  };
  explicit PendingTask(std::shared_ptr<State> state) : state_(std::move(state)) {}

  void wait() override {
    g_worker->drain_here();
    ++g_waiting;
    std::unique_lock lock(state_->mutex);
    state_->finished.wait(lock, [this] { return state_->done; });
    --g_waiting;
    check(state_->code, collective_name(state_->collective));
  }
  double started_s() const override { return state_->started_s; }
  double ended_s() const override { return state_->ended_s; }

 private:
  std::shared_ptr<State> state_;
};

/// MPI counts are int: long buffers go in parts.
template <class Call>
int in_parts(std::span<float> buffer, Call call) {
  int code = MPI_SUCCESS;
  for (size_t at = 0; at < buffer.size() && code == MPI_SUCCESS; at += kLargestCount) {
    code = call(buffer.data() + at, static_cast<int>(std::min(kLargestCount, buffer.size() - at)));
  }
  return code;
}

/// One collective, blocking, as Communicator::run() describes it. Returns MPI's code.
int call_mpi(Collective collective, std::span<float> buffer, int root, MPI_Comm comm) {
  int rank = 0, size = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  float* const data = buffer.data();
  const int block = static_cast<int>(buffer.size() / size);  // equal blocks: see count()
  switch (collective) {
    case Collective::kAllreduce:
      return in_parts(buffer, [&](float* at, int count) {
        return MPI_Allreduce(MPI_IN_PLACE, at, count, MPI_FLOAT, MPI_SUM, comm);
      });
    case Collective::kReduce:
      return in_parts(buffer, [&](float* at, int count) {
        const bool receives = rank == root;
        return MPI_Reduce(receives ? MPI_IN_PLACE : at, receives ? at : nullptr, count, MPI_FLOAT,
                          MPI_SUM, root, comm);
      });
    case Collective::kBroadcast:
      return in_parts(buffer, [&](float* at, int count) {
        return MPI_Bcast(at, count, MPI_FLOAT, root, comm);
      });
    case Collective::kReduceScatter: {
      // Not MPI_Reduce_scatter_block: Open MPI 4.1 has no ring for it.
      const std::vector<int> counts(size, block);
      return MPI_Reduce_scatter(MPI_IN_PLACE, data, counts.data(), MPI_FLOAT, MPI_SUM, comm);
    }
    case Collective::kAllGather:
      return MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, block, MPI_FLOAT, comm);
  }
  return MPI_ERR_OTHER;
}

class MpiCommunicator : public Communicator {
 public:
  /// Takes ownership of `control` unless it is MPI_COMM_WORLD, and duplicates it for bulk data.
  explicit MpiCommunicator(MPI_Comm control) : control_(control) {
    MPI_Comm_set_errhandler(control_, MPI_ERRORS_RETURN);
    check(MPI_Comm_dup(control_, &data_), "MPI_Comm_dup");
    MPI_Comm_set_errhandler(data_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(control_, &rank_);
    MPI_Comm_size(control_, &size_);
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;
  ~MpiCommunicator() override {
    const std::lock_guard lock(mpi_mutex());
    MPI_Comm_free(&data_);
    if (control_ != MPI_COMM_WORLD) MPI_Comm_free(&control_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string transport() const override { return "mpi"; }

  void broadcast(std::span<std::byte> buffer, int root) override {
    const std::lock_guard lock(mpi_mutex());
    for (size_t at = 0; at < buffer.size(); at += kLargestCount) {
      const size_t count = std::min(kLargestCount, buffer.size() - at);
      check(MPI_Bcast(buffer.data() + at, static_cast<int>(count), MPI_BYTE, root, control_),
            "MPI_Bcast");
    }
  }

  void barrier() override {
    const std::lock_guard lock(mpi_mutex());
    check(MPI_Barrier(control_), "MPI_Barrier");
  }

  void park() override {
    const std::lock_guard lock(mpi_mutex());
    MPI_Request request;
    check(MPI_Ibarrier(control_, &request), "MPI_Ibarrier");
    for (int done = 0;;) {
      check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
      if (done) return;
      std::this_thread::sleep_for(kParkedPoll);
    }
  }

  std::vector<std::string> gather(const std::string& message, int root) override {
    const std::lock_guard lock(mpi_mutex());
    const int length = static_cast<int>(message.size());
    std::vector<int> lengths(size_), offsets(size_);
    check(MPI_Gather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, root, control_),
          "MPI_Gather");
    int total = 0;
    for (int i = 0; i < size_; ++i) total = (offsets[i] = total) + lengths[i];
    std::string all(rank_ == root ? total : 0, '\0');
    check(MPI_Gatherv(message.data(), length, MPI_CHAR, all.data(), lengths.data(), offsets.data(),
                      MPI_CHAR, root, control_),
          "MPI_Gatherv");
    std::vector<std::string> messages;
    for (int i = 0; i < size_ && rank_ == root; ++i) {
      messages.push_back(all.substr(offsets[i], lengths[i]));
    }
    return messages;
  }

  std::unique_ptr<Communicator> split(int color) override {
    const std::lock_guard lock(mpi_mutex());
    MPI_Comm part = MPI_COMM_NULL;
    check(MPI_Comm_split(control_, color < 0 ? MPI_UNDEFINED : color, rank_, &part),
          "MPI_Comm_split");
    if (part == MPI_COMM_NULL) return nullptr;
    auto group = std::make_unique<MpiCommunicator>(part);
    group->set_node(node());
    return group;
  }

  [[noreturn]] void abort(int exit_code) override {
    // No lock: the owner may be stuck inside MPI. Should MPI_Abort hang too, the alarm ends us, and
    // the launcher ends the others.
    ::alarm(3);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    ::_exit(exit_code);
  }

 private:
  void run_here(Collective collective, std::span<float> buffer, int root) override {
    const std::lock_guard lock(mpi_mutex());
    check(call_mpi(collective, buffer, root, data_), collective_name(collective));
  }

  std::unique_ptr<PendingCollective> start_behind(Collective collective, std::span<float> buffer,
                                                  int root, Reduction) override {
    auto state = std::make_shared<PendingTask::State>();
    state->collective = collective;
    g_worker->add([state, buffer, root, comm = data_] {
      double started;
      int code;
      {
        const std::lock_guard in_mpi(mpi_mutex());
        code = meet(comm);
        started = clock_now();
        if (code == MPI_SUCCESS) code = call_mpi(state->collective, buffer, root, comm);
      }
      {
        const std::lock_guard lock(state->mutex);
        state->started_s = started;
        state->ended_s = clock_now();
        state->code = code;
        state->done = true;
      }
      state->finished.notify_all();
    });
    return std::make_unique<PendingTask>(std::move(state));
  }

  MPI_Comm control_, data_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

std::string thread_level_name(int level) {
  switch (level) {
    case MPI_THREAD_MULTIPLE:
      return "multiple";
    case MPI_THREAD_SERIALIZED:
      return "serialized";
    case MPI_THREAD_FUNNELED:
      return "funneled";
    default:
      return "single";
  }
}

}  // namespace

std::string mpi_library_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  MPI_Get_library_version(text, &length);
  // Open MPI goes on after a comma, MPICH after a line: `MPICH Version:\t4.0.2`.
  std::string version = std::string(text).substr(0, std::string(text).find_first_of(",\n"));
  const size_t label = version.find(" Version:");
  if (label != std::string::npos) version.erase(label, 9);
  std::replace(version.begin(), version.end(), '\t', ' ');
  return version;
}

MpiRuntime::MpiRuntime() {
  int provided = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS) {
    throw Error("MPI_Init_thread failed: was this started by the launcher of the same MPI?");
  }
  library_.version = mpi_library_version();
  library_.thread_level = thread_level_name(provided);
  g_worker = new Worker(provided >= MPI_THREAD_SERIALIZED);
  world_ = std::make_unique<MpiCommunicator>(MPI_COMM_WORLD);
}

MpiRuntime::~MpiRuntime() {
  delete g_worker;
  g_worker = nullptr;
  world_.reset();
  MPI_Finalize();
}

}  // namespace forerun
