// Runs the real program, as a user would, and looks at its processes.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "model/error.h"
#include "model/io/measured.h"
#include "tests/support.h"

namespace forerun {

struct Finished {
  int exit_code = -1;
  std::string out, err;
};

/// Processes of ranks, by rank, among those that `belong`.
template <class Condition>
std::vector<pid_t> rank_processes(Condition belongs) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const pid_t pid = std::stoi(name);
    const std::string environment = slurp(entry.path() / "environ");
    const std::string key = std::string("OMPI_COMM_WORLD_RANK=");
    const size_t at = environment.find(key);
    if (at == std::string::npos || !belongs(pid)) continue;
    const size_t rank = std::stoul(environment.substr(at + key.size()));
    found.resize(std::max(found.size(), rank + 1), 0);
    found[rank] = pid;
  }
  return found;
}

/// A command, running: `measure` with arguments unless told otherwise. Ended, with its ranks, when
/// the object goes.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments)
      : Program(FORERUN_BIN_DIR "/measure", arguments) {}
  Program(const std::string& program, const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {program};
    command.insert(command.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      redirect("out", STDOUT_FILENO);
      redirect("err", STDERR_FILENO);
      ::unsetenv("FORERUN_HOME");
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }

  void signal(int number) const { ::kill(pid_, number); }

  Finished wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            slurp(folder_.path() / "out"), slurp(folder_.path() / "err")};
  }

  std::string err_so_far() const { return slurp(folder_.path() / "err"); }

  /// Processes of the ranks, by rank: below the launcher that our process started.
  std::vector<pid_t> ranks() const {
    return rank_processes([this](pid_t pid) { return descends(pid); });
  }

  /// Waits until `condition` holds; false after two minutes.
  template <class Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 1200; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }

 private:
  void redirect(const char* name, int to) const {
    const int fd = ::open((folder_.path() / name).c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
    ::dup2(fd, to);
  }

  bool descends(pid_t pid) const {
    while (pid > 1 && pid != pid_) {
      const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
      const size_t name_end = stat.rfind(')');
      if (name_end == std::string::npos) return false;
      pid = std::stoi(stat.substr(name_end + 4));  // ") S 123": the parent
    }
    return pid == pid_;
  }

  TemporaryFolder folder_;
  pid_t pid_ = -1;
};

inline Finished run_measure(const std::vector<std::string>& arguments) {
  return Program(arguments).wait();
}

/// Whether, and how often, a part stands in what a program printed.
inline bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
inline int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// The first line that holds `key`.
inline std::string sentence(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (holds(line, key)) return line;
  }
  return "(no line holds \"" + key + "\" in: " + text + ")";
}

/// Of a configuration in a profile, disturbed ones too.
inline size_t kept_steps(const MeasuredConfiguration& measured) {
  size_t steps = measured.step_times().size();
  if (!measured.disturbed.empty()) steps += measured.disturbed.front().step_time_s.size();
  return steps;
}

inline bool alive(pid_t pid) { return ::kill(pid, 0) == 0; }

}  // namespace forerun
