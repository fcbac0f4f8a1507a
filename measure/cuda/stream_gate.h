// Lets the host give a stream all of its work before the first of it begins.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

namespace forerun {

/// Closed from construction to destruction. A host that is as fast as the device would be timed in
/// its place: an idle stream passes the mark before a kernel while the kernel is still on its way,
/// some microseconds. Behind a gate marks and kernels follow each other.
class StreamGate {
 public:
  /// Opens by itself after this: what is given to the stream must not wait for what is behind the
  /// gate, but a library may do so where its queues are full.
  static constexpr double kPatience = 1.0;  // s

  explicit StreamGate(cudaStream_t stream);
  StreamGate(const StreamGate&) = delete;
  StreamGate& operator=(const StreamGate&) = delete;
  ~StreamGate();

 private:
  struct Latch;
  std::shared_ptr<Latch> latch_;  // the driver's thread may come to it later than we leave
};

}  // namespace forerun
