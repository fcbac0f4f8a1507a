// The last words of a job: one sentence that names rank, host and phase.
#pragma once

#include <string>

#include "measure/collective.h"
#include "measure/heartbeat.h"
#include "measure/local_peers.h"
#include "measure/watchdog.h"

namespace forerun {

/// What an exception says, in one line: LibTorch adds where in C++ or TorchScript it was thrown.
std::string in_one_line(const std::string& what);

/// Says what is wrong on this rank, and ends every process of the job. The thread that comes first
/// speaks: what wakes the others is the same failure.
[[noreturn]] void fail(Communicator& world, const Watchdog& watchdog, const std::string& what,
                       int exit_code);

/// The same where nothing moved for `timeout_s`. A rank that is stopped is named by its peers: at
/// once by those of its host, else by rank 0 after a few seconds.
[[noreturn]] void fail_of_hang(Communicator& world, const Watchdog& watchdog,
                               const LocalPeers& peers, Heartbeat& heartbeat, double timeout_s);

}  // namespace forerun
