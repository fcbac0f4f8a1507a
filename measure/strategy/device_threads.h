// Threads that stand for devices: one per set of CPUs, pinned to it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

namespace forerun {

/// Device 0 is the thread that calls run(); the others wait, asleep, for their share of a task.
class DeviceThreads {
 public:
  /// `cpus[d]`: what device d runs on; empty: anything. At least one device.
  explicit DeviceThreads(const std::vector<std::vector<int>>& cpus);
  DeviceThreads(const DeviceThreads&) = delete;
  DeviceThreads& operator=(const DeviceThreads&) = delete;
  ~DeviceThreads();

  int size() const;
  /// task(d) on every device d at once, with the caller's thread-local state of LibTorch; returns
  /// when all are done. Rethrows the first device's exception, if any.
  void run(const std::function<void(int)>& task);

 private:
  class Device;
  std::vector<std::unique_ptr<Device>> others_;
};

}  // namespace forerun
