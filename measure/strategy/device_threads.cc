#include "measure/strategy/device_threads.h"

#include <ATen/ThreadLocalState.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "measure/launch/topology.h"

namespace forerun {

class DeviceThreads::Device {
 public:
  explicit Device(std::vector<int> cpus)
      : thread_([this, cpus = std::move(cpus)] { live(cpus); }) {}
  ~Device() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void begin(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      task_ = std::move(task);
      error_ = nullptr;
    }
    changed_.notify_all();
  }
  /// Of the task that was begun.
  std::exception_ptr wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return task_ == nullptr; });
    return error_;
  }

 private:
  void live(const std::vector<int>& cpus) {
    std::unique_lock lock(mutex_);
    try {
      if (!cpus.empty()) pin_to(cpus);
    } catch (...) {
      startup_error_ = std::current_exception();
    }
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || task_ != nullptr; });
      if (stopping_) return;
      lock.unlock();
      std::exception_ptr error = startup_error_;
      try {
        if (!error) task_();
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      error_ = error;
      task_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> task_;
  std::exception_ptr error_, startup_error_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses the others
};

DeviceThreads::DeviceThreads(const std::vector<std::vector<int>>& cpus) {
  for (size_t d = 1; d < cpus.size(); ++d) others_.push_back(std::make_unique<Device>(cpus[d]));
}

DeviceThreads::~DeviceThreads() = default;

int DeviceThreads::size() const { return static_cast<int>(others_.size()) + 1; }

void DeviceThreads::run(const std::function<void(int)>& task) {
  const at::ThreadLocalState state;
  for (int d = 1; d < size(); ++d) {
    others_[d - 1]->begin([&task, &state, d] {
      const at::ThreadLocalStateGuard guard(state);
      task(d);
    });
  }
  std::exception_ptr first;
  try {
    task(0);
  } catch (...) {
    first = std::current_exception();
  }
  for (const auto& device : others_) {
    const std::exception_ptr error = device->wait();
    if (!first) first = error;
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace forerun
