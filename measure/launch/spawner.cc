#include "measure/launch/spawner.h"

#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <string>

#include "measure/clock.h"
#include "model/error.h"

namespace forerun {
namespace {

constexpr double kPatience = 5;  // s

/// A port that nobody listens on now.
int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool found = ::bind(socket, any, length) == 0 && ::getsockname(socket, any, &length) == 0;
  ::close(socket);
  if (!found)
    throw Error(std::string("no port for the ranks to meet at (") + std::strerror(errno) + ")");
  return ntohs(address.sin_port);
}

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGCHLD, SIGUSR1, SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, s);
  return set;
}

/// Of torchrun; the ranks of one host.
void set_rank_environment(int rank, int ranks, int port) {
  const std::map<std::string, std::string> variables = {
      {"RANK", std::to_string(rank)},        {"LOCAL_RANK", std::to_string(rank)},
      {"WORLD_SIZE", std::to_string(ranks)}, {"LOCAL_WORLD_SIZE", std::to_string(ranks)},
      {"MASTER_ADDR", "127.0.0.1"},          {"MASTER_PORT", std::to_string(port)}};
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  ::unsetenv(kSpawnVariable);
}

pid_t start_rank(int rank, int ranks, int port, char** argv) {
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw Error(std::string("cannot start a rank (") + std::strerror(errno) + ")");
  if (child > 0) return child;
  const sigset_t watched = watched_signals();
  ::sigprocmask(SIG_UNBLOCK, &watched, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kExitFailed);
  set_rank_environment(rank, ranks, port);
  ::execv("/proc/self/exe", argv);
  ::_exit(127);
}

/// 0, or what a rank's end means for the whole.
int code_of(int rank, int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const int signal = WTERMSIG(status);
  std::cerr << "measure: rank " + std::to_string(rank) + " was ended by signal " +
                   std::to_string(signal) + " (" + ::strsignal(signal) + ")\n";
  return kExitFailed;
}

class Ranks {
 public:
  void add(pid_t pid, int rank) { running_[pid] = rank; }
  bool left() const { return !running_.empty(); }
  int code() const { return code_; }

  void reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      const auto found = running_.find(pid);
      if (found == running_.end()) continue;
      // Those that we ended after the first bad end have nothing to tell.
      if (code_ == 0) code_ = code_of(found->second, status);
      if (code_ != 0 && deadline_s_ == 0) deadline_s_ = clock_now() + kPatience;
      running_.erase(found);
    }
  }
  void send(int signal) const {
    for (const auto& [pid, rank] : running_) ::kill(pid, signal);
  }
  void end_late_ones() {
    if (deadline_s_ > 0 && clock_now() > deadline_s_) send(SIGKILL);
  }

 private:
  std::map<pid_t, int> running_;
  int code_ = 0;
  double deadline_s_ = 0;  ///< 0: all is well
};

}  // namespace

int spawn_ranks(int ranks, char** argv) {
  const sigset_t watched = watched_signals();
  ::sigprocmask(SIG_BLOCK, &watched, nullptr);
  const int port = free_port();
  Ranks running;
  for (int rank = 0; rank < ranks; ++rank) running.add(start_rank(rank, ranks, port, argv), rank);
  while (running.left()) {
    constexpr timespec kPeriod = {0, 200'000'000};
    const int signal = ::sigtimedwait(&watched, nullptr, &kPeriod);
    if (signal > 0 && signal != SIGCHLD) running.send(signal);
    running.reap();
    running.end_late_ones();
  }
  return running.code();
}

}  // namespace forerun
