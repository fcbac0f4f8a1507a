// NCCL behind Communicator: data in device memory, one GPU per process. The only doors to nccl.h
// are the .cc files here.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "measure/collective.h"

namespace forerun {

/// Which NCCL this process has.
struct NcclLibrary {
  int version = 0;  ///< of the library that is loaded, as NCCL_VERSION_CODE
  std::string path;
  std::vector<std::string> mapped;  ///< every libnccl in the process; more than one is a mistake
};
NcclLibrary loaded_nccl();
/// `2.28.9` of 22809; NCCL before 2.9 counted otherwise, which nothing here supports.
std::string nccl_version_text(int code);
/// Throws Error where the loaded library is of another major or minor version than the header this
/// was compiled with or, where that is known, than the NCCL that LibTorch was built with
/// (`2.28.9`), or where two are loaded.
void require_matching_nccl(const NcclLibrary& loaded, int header_version,
                           const std::string& torch_version);

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
/// the other, and the thread that watches over them. Destroy it after them.
///
/// The stream has the highest priority and is none that LibTorch computes on. Every collective
/// waits for what the caller's stream held when it was started, and PendingCollective::wait() makes
/// the caller's stream wait: the host never does, except in run(). The watcher asks every
/// kWatchPeriod for asynchronous errors and for collectives beyond the timeout; either ends in
/// ncclCommAbort, so that nothing waits for a kernel that never ends, and in `failed`.
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
