// The clock of every timestamp: steady, one per host, a few tens of nanoseconds a call.
#pragma once

#include <chrono>
#include <thread>

namespace forerun {

/// Seconds on CLOCK_MONOTONIC. Comparable between processes of one host, not between hosts.
inline double clock_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Leaves the processor to others until clock_now() is `time_s`; returns at once if it is over.
inline void sleep_until(double time_s) {
  using std::chrono::duration;
  using std::chrono::steady_clock;
  std::this_thread::sleep_until(steady_clock::time_point(
      std::chrono::duration_cast<steady_clock::duration>(duration<double>(time_s))));
}

inline constexpr char kClockName[] = "CLOCK_MONOTONIC of each rank's host";

}  // namespace forerun
