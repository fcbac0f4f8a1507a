// The process that the user started: it starts the ranks, passes on signals, and says in one
// sentence what ended them.
#pragma once

#include <string>
#include <vector>

namespace forerun {

/// What the ranks share with their parent: the phase that rank 0 is in, for the last words.
inline constexpr char kStatusVariable[] = "FORERUN_STATUS_FILE";
/// Set to 1 in ranks whose output ends at a terminal.
inline constexpr char kTerminalVariable[] = "FORERUN_TERMINAL";
/// clock_now() of the start of the whole program: the budget counts from here.
inline constexpr char kStartedVariable[] = "FORERUN_STARTED";
/// Set in ranks started by supervise(): the line that started them.
inline constexpr char kLaunchLineVariable[] = "FORERUN_LAUNCH_LINE";

/// Runs `command` (a launcher with our own program) and returns its exit code, mapped to ours: what
/// a signal ended is 1. SIGINT and SIGTERM reach the ranks as SIGUSR1: they save and end. A second
/// one, or no end within 15 s, kills. The launcher's own chatter about a lost rank is turned into
/// one sentence.
int supervise(const std::vector<std::string>& command);

/// Called by rank 0 when it starts something new; shown if the job dies.
void report_phase(const std::string& phase);

/// What a launcher printed about ranks that ended badly.
struct LauncherNews {
  bool rank_lost = false;
  int rank = -1;
  std::string host, signal;
};
/// Reads Open MPI's `process rank 1 with PID 42 on node h exited on signal 9 (Killed).` and
/// MPICH's `KILLED BY SIGNAL: 9`.
LauncherNews read_launcher_chatter(const std::string& text);

}  // namespace forerun
