#include "measure/failure.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "model/error.h"
#include "model/io/command_line.h"

namespace forerun {
namespace {

/// What is wrong on every rank is said by the one that knows most, after it by the first one.
constexpr unsigned kKnowing = 0, kFirst = 1, kOthers = 2;  // seconds until each speaks

void begin_to_fail() {
  static std::atomic_flag failing;
  while (failing.test_and_set()) ::pause();
  // Our end is our own.
  for (const int s : {SIGINT, SIGTERM, SIGUSR1}) std::signal(s, SIG_DFL);
}

/// `rank`: of this host.
[[noreturn]] void end_job(Communicator& world, const Watchdog& watchdog, int rank,
                          const std::string& what, int exit_code) {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  std::cerr << "measure: rank " + std::to_string(rank) + " on host " + host + ": " + what +
                   " (while " + watchdog.phase() + ")\n"
            << std::flush;
  world.abort(exit_code);
  std::abort();  // not reached
}

}  // namespace

void fail(Communicator& world, const Watchdog& watchdog, const std::string& what, int exit_code) {
  begin_to_fail();
  if (world.rank() > 0) ::sleep(kOthers);
  end_job(world, watchdog, world.rank(), what, exit_code);
}

void fail_of_hang(Communicator& world, const Watchdog& watchdog, const LocalPeers& peers,
                  double timeout_s) {
  begin_to_fail();
  const std::string stands = "no progress for " + format_duration(Seconds<>(timeout_s));
  const std::optional<int> stopped = peers.stopped();
  ::sleep(stopped ? kKnowing : world.rank() == 0 ? kFirst : kOthers);
  if (stopped) {
    end_job(world, watchdog, *stopped, stands + ": its process is stopped", kExitFailed);
  }
  end_job(world, watchdog, world.rank(), stands + "; a peer may hang, or --timeout is too short",
          kExitFailed);
}

}  // namespace forerun
