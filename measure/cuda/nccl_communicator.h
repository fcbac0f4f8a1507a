// NCCL behind Communicator: data in device memory, one GPU per process. The only doors to nccl.h
// are the .cc files here.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <memory>
#include <string>

#include "measure/collective.h"

namespace forerun {

struct NcclOptions {
  int device = 0;
  /// Where the caller's kernels go: what collectives wait for, and what waits for them.
  std::function<cudaStream_t()> current_stream;
  /// A collective that takes longer has lost a peer.
  double timeout_s = 60;
  /// Called once, on a thread of its own, after NCCL was aborted: with what went wrong. The job
  /// cannot go on.
  std::function<void(const std::string& what)> failed;
  /// Parts of a group by ncclCommSplit, which NCCL has since 2.18; else each is started anew.
  bool splits = true;
};

/// What all NCCL communicators of a process share: the stream that collectives run on, one after
/// the other, and the thread that watches over them (see nccl_watch.h). Destroy it after them.
///
/// The stream has the highest priority and is none that LibTorch computes on. Every collective
/// waits for what the caller's stream held when it was started, and PendingCollective::wait() makes
/// the caller's stream wait: the host never does, except in run().
///
/// Communicators are blocking ones, as PyTorch's are: a call returns when its kernel is in the
/// stream. Of the others NCCL starts a thread for each collective (src/group.cc, since 2.22), and
/// the caller has to ask until that is done. What blocks because a peer does not come, such as the
/// start, is for the caller's Watchdog to end.
class NcclRuntime {
 public:
  /// Throws Error if the device cannot be used or libraries do not match.
  explicit NcclRuntime(NcclOptions options);
  NcclRuntime(const NcclRuntime&) = delete;
  NcclRuntime& operator=(const NcclRuntime&) = delete;
  ~NcclRuntime();

  /// All ranks of `control`, which carries the unique id and all control traffic. Collective. It
  /// must outlive the result.
  std::unique_ptr<Communicator> world(Communicator& control);

  class State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace forerun
