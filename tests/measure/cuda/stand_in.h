// A stand-in for the CUDA runtime and NCCL, in tests only: it writes down what is called, and plays
// a device that is as far with its work as a test says.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace forerun {

/// Streams and communicators are small numbers, named in the log as they were made: `stream 1` is
/// the clock's, `stream 2` the communicator's; the caller's is kComputeStream. Events have the
/// number of their record.
///
/// Time is played: a stream begins with what it is given when the host gives it, or when it is done
/// with what came before; a collective takes it a millisecond. The host's time passes where it
/// waits, and by what a launch takes it.
struct StandIn {
  std::vector<std::string> log;
  int nccl_version = NCCL_VERSION_CODE;
  bool stuck = false;  ///< nothing that was given to the device ends
  ncclResult_t asynchronous = ncclSuccess;
  ncclResult_t next_collective = ncclSuccess;  ///< what the next one returns
  std::string last_error;                      ///< NCCL's
  size_t free_bytes = 5'000'000;               ///< less 1 kB for each communicator that starts
  double host_ms = 0;
  double launch_ms = 0;

  /// Of the log, without the clock's anchor and what the watcher asks.
  std::vector<std::string> take_log();
};

inline const auto kComputeStream = reinterpret_cast<cudaStream_t>(100);

/// The one of this process, under its mutex.
class LockedStandIn {
 public:
  LockedStandIn();
  StandIn* operator->() const;

 private:
  std::lock_guard<std::mutex> lock_;
};

}  // namespace forerun
