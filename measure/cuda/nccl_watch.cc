#include "measure/cuda/nccl_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "measure/clock.h"
#include "measure/cuda/check.h"
#include "measure/cuda/cuda_clock.h"
#include "model/io/command_line.h"

namespace forerun {

NcclWatch::NcclWatch(int device, double timeout_s, std::function<void(const std::string&)> failed)
    : device_(device), timeout_s_(timeout_s), failed_(std::move(failed)) {
  thread_ = std::thread([this] { run(); });
}

NcclWatch::~NcclWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void NcclWatch::add(ncclComm_t comm, std::string name) {
  const std::lock_guard lock(mutex_);
  communicators_.push_back({comm, std::move(name)});
}

void NcclWatch::remove(ncclComm_t comm) {
  const std::lock_guard lock(mutex_);
  std::erase_if(communicators_, [&](const Watched& w) { return w.comm == comm; });
}

void NcclWatch::expect(const Mark& end, std::string what) {
  const std::lock_guard lock(mutex_);
  under_way_.push_back({end, std::move(what), clock_now()});
}

bool NcclWatch::sound() const {
  const std::lock_guard lock(mutex_);
  return failure_.empty();
}

void NcclWatch::require_sound() const {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) throw Error(failure_);
}

NcclWatch::Call::Call(NcclWatch& watch) : watch_(watch) {
  const std::lock_guard lock(watch_.mutex_);
  if (!watch_.failure_.empty()) throw Error(watch_.failure_);
  ++watch_.calls_;
}

NcclWatch::Call::~Call() {
  {
    const std::lock_guard lock(watch_.mutex_);
    --watch_.calls_;
  }
  watch_.changed_.notify_all();
}

void NcclWatch::await_calls() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::duration<double>(kGrace), [this] { return calls_ == 0; });
}

std::string NcclWatch::trouble() {
  const std::string text = trouble_of_communicators();
  return text.empty() ? trouble_of_collectives() : text;
}

std::string NcclWatch::trouble_of_communicators() const {
  for (const Watched& w : communicators_) {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t code = ncclCommGetAsyncError(w.comm, &state);
    if (code != ncclSuccess) state = code;
    if (state != ncclSuccess && state != ncclInProgress) {
      return "NCCL lost a peer, or the network to it, in " + w.name + ": " +
             nccl_error_text(state, w.comm);
    }
  }
  return "";
}

std::string NcclWatch::trouble_of_collectives() {
  while (!under_way_.empty()) {
    UnderWay& first = under_way_.front();
    try {
      if (!has_passed(event_of(first.end))) {
        if (clock_now() - first.since_s <= timeout_s_) return "";
        return "NCCL: " + first.what + " is not done after " +
               format_duration(Seconds<>(timeout_s_)) +
               "; a peer may hang, or --timeout is too short";
      }
    } catch (const Error& error) {
      return std::string(error.what()) + ", at or before " + first.what;
    }
    under_way_.pop_front();
    if (!under_way_.empty()) {
      under_way_.front().since_s = std::max(under_way_.front().since_s, clock_now());
    }
  }
  return "";
}

/// What is asked of NCCL is asked under the lock: remove() returns when nothing uses its
/// communicator any more. It is let go of where a call may take long: the aborts, and `failed_`.
void NcclWatch::run() {
  cudaSetDevice(device_);  // where it fails, so does the first question
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::string what = trouble();
    if (!what.empty()) return give_up(lock, what);
    changed_.wait_for(lock, std::chrono::duration<double>(kPeriod), [this] { return stopping_; });
  }
}

void NcclWatch::give_up(std::unique_lock<std::mutex>& lock, const std::string& what) {
  failure_ = what;  // no call begins from here on
  changed_.wait_for(lock, std::chrono::duration<double>(kGrace), [this] { return calls_ == 0; });
  const std::vector<Watched> doomed = std::exchange(communicators_, {});
  under_way_.clear();
  lock.unlock();
  // Without the abort the kernels of this rank would wait for their peers for ever.
  for (const Watched& w : doomed) ncclCommAbort(w.comm);
  if (failed_) failed_(what);
}

}  // namespace forerun
