#include "measure/launch/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <regex>

#include "measure/clock.h"
#include "model/error.h"

namespace forerun {
namespace {

constexpr double kPatience = 15;  // seconds for the ranks to save and end after a signal
constexpr size_t kPhaseLength = 512;

volatile std::sig_atomic_t g_signals = 0;
void count_signal(int) { g_signals = g_signals + 1; }

/// A small file in the temporary folder, removed at the end.
class StatusFile {
 public:
  StatusFile() {
    path_ = (std::filesystem::temp_directory_path() / "forerun-status-XXXXXX").string();
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) throw Error(path_ + ": cannot create (" + std::strerror(errno) + ")");
    ::close(fd);
    ::setenv(kStatusVariable, path_.c_str(), 1);
  }
  StatusFile(const StatusFile&) = delete;
  StatusFile& operator=(const StatusFile&) = delete;
  ~StatusFile() { ::unlink(path_.c_str()); }

  std::string phase() const {
    char text[kPhaseLength + 1] = {};
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return "";
    const ssize_t got = ::pread(fd, text, kPhaseLength, 0);
    ::close(fd);
    return got > 0 ? std::string(text) : "";
  }

 private:
  std::string path_;
};

std::string while_in(const std::string& phase) { return phase.empty() ? "" : " while " + phase; }

/// Passes the ranks' lines on and keeps the launcher's: Open MPI frames its own in dashes.
class ChatterFilter {
 public:
  void feed(std::string_view chunk) {
    for (const char c : chunk) {
      line_ += c;
      if (c == '\n' || c == '\r') flush_line();
    }
  }
  void finish() { flush_line(); }
  const std::string& chatter() const { return chatter_; }
  bool rank_spoke() const { return rank_spoke_; }

 private:
  void flush_line() {
    const bool frame = line_.starts_with("------------------------------");
    // Open MPI, of what was our own doing.
    const bool forwarding = line_.starts_with("mpirun: Forwarding signal");
    // MPICH: its banner, and what MPI_Abort says.
    const bool banner = line_.starts_with("====") || line_.starts_with("=   ") ||
                        (line_.starts_with("Abort(") && line_.find("MPI_Abort") != line_.npos);
    if (frame) inside_ = !inside_;
    if (frame || inside_ || banner || forwarding) {
      chatter_ += line_;
    } else if (!line_.empty()) {
      if (line_.find("measure: rank ") != std::string::npos) rank_spoke_ = true;
      std::cerr << line_ << std::flush;
    }
    line_.clear();
  }

  std::string line_, chatter_;
  bool inside_ = false, rank_spoke_ = false;
};

/// Starts `command` in a process group of its own (a terminal's Ctrl-C is for us alone), its
/// standard error going to `write_end`.
pid_t start(const std::vector<std::string>& command, int read_end, int write_end) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw Error(std::string("cannot start a process (") + std::strerror(errno) + ")");
  if (child > 0) return child;
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kExitFailed);
  ::dup2(write_end, STDERR_FILENO);
  ::close(read_end);
  ::close(write_end);
  const int null = ::open("/dev/null", O_RDONLY);
  if (null >= 0) ::dup2(null, STDIN_FILENO);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

/// Reads the ranks' standard error until it ends; passes signals on.
void attend(pid_t child, int from_ranks, ChatterFilter& filter, const StatusFile& status) {
  int passed_on = 0;
  double deadline = 0;
  while (true) {
    if (g_signals > passed_on) {
      const bool first = passed_on == 0;
      passed_on = g_signals;
      if (first) {
        std::cerr << "measure: stopping" + while_in(status.phase()) +
                         "; what was measured is kept (once more to kill)\n";
        ::kill(child, SIGUSR1);  // mpirun and mpiexec hand it to every rank
        deadline = clock_now() + kPatience;
      } else {
        ::kill(child, SIGTERM);
      }
    }
    if (deadline > 0 && clock_now() > deadline) {
      ::kill(child, SIGTERM);
      deadline = clock_now() + kPatience;
    }
    pollfd waiting = {from_ranks, POLLIN, 0};
    if (::poll(&waiting, 1, 200) <= 0) {
      // A grandchild may hold the pipe open after the launcher is gone.
      siginfo_t info = {};
      if (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          info.si_pid == child) {
        return;
      }
      continue;
    }
    char chunk[4096];
    const ssize_t got = ::read(from_ranks, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    filter.feed({chunk, static_cast<size_t>(got)});
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) return kExitFailed;
  const int code = WEXITSTATUS(status);
  return code <= kExitRefused ? code : kExitFailed;
}

}  // namespace

LauncherNews read_launcher_chatter(const std::string& text) {
  static const std::regex open_mpi(
      R"(rank\s+(\d+)\s+with\s+PID\s+\d+\s+on\s+node\s+(\S+)\s+exited\s+on\s+signal\s+(\d+)(?:\s+\(([^)]*)\))?)");
  static const std::regex hydra(R"(KILLED BY SIGNAL:\s+(\d+)(?:\s+\(([^)]*)\))?)");
  LauncherNews news;
  std::smatch match;
  if (std::regex_search(text, match, open_mpi)) {
    news = {true, std::stoi(match[1]), match[2], "signal " + match[3].str()};
    if (match[4].length() > 0) news.signal += " (" + match[4].str() + ")";
  } else if (std::regex_search(text, match, hydra)) {
    news = {true, -1, "", "signal " + match[1].str()};
    if (match[2].length() > 0) news.signal += " (" + match[2].str() + ")";
  }
  return news;
}

int supervise(const std::vector<std::string>& command) {
  const StatusFile status;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw Error(std::string("cannot make a pipe (") + std::strerror(errno) + ")");
  }
  struct sigaction action = {};
  action.sa_handler = count_signal;
  for (const int s : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(s, &action, nullptr);

  const pid_t child = start(command, ends[0], ends[1]);
  ::close(ends[1]);
  ChatterFilter filter;
  attend(child, ends[0], filter, status);
  const int code = wait_for(child);
  filter.finish();
  ::close(ends[0]);
  if (g_signals > 0) return kExitFailed;  // not all was done
  if (code == kExitDone || filter.rank_spoke()) return code;

  const LauncherNews news = read_launcher_chatter(filter.chatter());
  const std::string phase = while_in(status.phase());
  if (news.rank_lost) {
    std::cerr << "measure: " << (news.rank < 0 ? "a rank" : "rank " + std::to_string(news.rank))
              << (news.host.empty() ? "" : " on host " + news.host) << " was ended by "
              << news.signal << phase << "; what was measured before is kept\n";
  } else {
    std::cerr << filter.chatter();
    std::cerr << "measure: " << command.front() << " ended with an error" << phase
              << "; what was measured before is kept\n";
  }
  return code;
}

void report_phase(const std::string& phase) {
  const char* path = std::getenv(kStatusVariable);
  if (path == nullptr) return;
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;  // on another host than the parent
  char text[kPhaseLength] = {};
  std::copy_n(phase.data(), std::min(phase.size(), kPhaseLength - 1), text);
  if (::pwrite(fd, text, sizeof text, 0) < 0) {
    // Only the last words would be less precise.
  }
  ::close(fd);
}

}  // namespace forerun
