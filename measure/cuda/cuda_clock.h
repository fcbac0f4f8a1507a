// Moments of a GPU's streams on the clock of the host: without them no two ranks, and no rank and
// its host, could be laid side by side.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

#include "measure/mark.h"

namespace forerun {

/// CUDA events read as clock_now(). For one GPU per process; any thread may record.
///
/// The device's timer meets the host's clock at an anchor: an event that the host waits for,
/// between two readings of its clock. Elapsed time since the anchor is a float of milliseconds
/// (exact to 0.1 us within about 1 s, to 1 us within 16 s) from a timer that drifts: so anchor()
/// takes a new one when the last is older than kAnchorAge.
class CudaClock {
 public:
  static constexpr double kAnchorAge = 1.0;  // s

  /// Throws Error if the device cannot be used.
  explicit CudaClock(int device);
  CudaClock(const CudaClock&) = delete;
  CudaClock& operator=(const CudaClock&) = delete;
  ~CudaClock();

  /// When `stream` passes this point of its work. Its event returns to a pool with the last copy
  /// of the mark.
  Mark record(cudaStream_t stream);
  /// On clock_now(). Throws Error while the stream has not passed the mark.
  double seconds(const Mark& mark) const;
  /// Between steps, when the device is idle: it waits for some tens of microseconds, once per
  /// kAnchorAge.
  void anchor();

 private:
  struct Pool;
  void take_anchor();

  std::shared_ptr<Pool> pool_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t anchor_ = nullptr;
  double anchor_s_ = 0;  ///< of anchor_, on clock_now()
};

/// The event of a mark, to wait for.
inline cudaEvent_t event_of(const Mark& mark) { return static_cast<cudaEvent_t>(mark.event.get()); }

/// The process's clock, of the device that is current when it is first called.
CudaClock& cuda_clock();

}  // namespace forerun
