// The ranks of this host: which of them does not run, where all others only wait.
#pragma once

#include <sys/types.h>

#include <map>
#include <mutex>
#include <optional>

#include "measure/machine.h"

namespace forerun {

/// Whether a process was stopped, by a signal or a debugger; false where there is none.
bool is_stopped(pid_t process);

class LocalPeers {
 public:
  /// Collective over `world`.
  void learn(Communicator& world, const RankMap& map);
  /// The first rank that is stopped. From any thread.
  std::optional<int> stopped() const;

 private:
  mutable std::mutex mutex_;
  std::map<int, pid_t> processes_;  // by rank
};

}  // namespace forerun
