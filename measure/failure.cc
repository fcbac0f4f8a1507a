#include "measure/failure.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <vector>

#include "measure/clock.h"
#include "model/error.h"
#include "model/io/command_line.h"

namespace forerun {
namespace {

// What is wrong on every rank is said by the one that knows most, else by the first one.
constexpr double kOthers = 2;     // seconds that the others wait for it
constexpr double kListening = 3;  // seconds: a rank that runs beats three times

void begin_to_fail() {
  static std::atomic_flag failing;
  while (failing.test_and_set()) ::pause();
  // Our end is our own.
  for (const int s : {SIGINT, SIGTERM, SIGUSR1}) std::signal(s, SIG_DFL);
}

std::string this_host() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return host;
}

[[noreturn]] void end_job(Communicator& world, const Watchdog& watchdog, const RankOnHost& culprit,
                          const std::string& what, int exit_code) {
  std::cerr << "measure: rank " + std::to_string(culprit.rank) + " on host " + culprit.host + ": " +
                   what + " (while " + watchdog.phase() + ")\n"
            << std::flush;
  world.abort(exit_code);
  std::abort();  // not reached
}

}  // namespace

std::string in_one_line(const std::string& what) {
  std::istringstream stream(what.substr(0, what.find("\nException raised from ")));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  // TorchScript shows the program first, and where in it, then says what is wrong.
  const auto shown = std::ranges::find_if(
      lines.rbegin(), lines.rend(), [](const auto& line) { return line.ends_with("<--- HERE"); });
  const auto complaint = std::find_if(shown.base(), lines.end(), [](const std::string& line) {
    return line.front() != ' ' && line.find("Error: ") != std::string::npos;
  });
  if (shown != lines.rend() && complaint != lines.end()) lines.erase(lines.begin(), complaint);
  std::string joined;
  for (const std::string& line : lines) joined.append(joined.empty() ? "" : " ").append(line);
  return joined;
}

void fail(Communicator& world, const Watchdog& watchdog, const std::string& what, int exit_code) {
  begin_to_fail();
  if (world.rank() > 0) sleep_until(clock_now() + kOthers);
  end_job(world, watchdog, {world.rank(), this_host()}, what, exit_code);
}

void fail_of_hang(Communicator& world, const Watchdog& watchdog, const LocalPeers& peers,
                  Heartbeat& heartbeat, double timeout_s) {
  begin_to_fail();
  const std::string stands = "no progress for " + format_duration(Seconds<>(timeout_s));
  if (const std::optional<int> stopped = peers.stopped()) {
    end_job(world, watchdog, {*stopped, this_host()}, stands + ": its process is stopped",
            kExitFailed);
  }
  const std::optional<RankOnHost> silent = heartbeat.listen(kListening);
  const int speaker = silent && silent->rank == 0 ? 1 : 0;
  if (world.rank() != speaker) heartbeat.listen(kOthers);  // who beats no more is taken for stopped
  if (silent) {
    end_job(world, watchdog, *silent,
            stands + ": it does not answer; its process is stopped, or its host is gone",
            kExitFailed);
  }
  end_job(world, watchdog, {world.rank(), this_host()},
          stands + "; a peer may hang, or --timeout is too short", kExitFailed);
}

}  // namespace forerun
