// What goes wrong, in three kinds that a caller can act on. main() turns each into its exit code.
#pragma once

#include <stdexcept>
#include <string>

namespace forerun {

/// Exit codes of every program (1 failed, 2 usage, 3 refused).
enum ExitCode { kExitDone = 0, kExitFailed = 1, kExitUsage = 2, kExitRefused = 3 };

/// Bad input or a failed call. The text says where, what, why, and what would help:
/// `observations.csv:14: gpus = 0 (must be >= 1)`.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what, ExitCode exit_code = kExitFailed)
      : std::runtime_error(what), exit_code_(exit_code) {}
  ExitCode exit_code() const { return exit_code_; }

 private:
  ExitCode exit_code_;
};

/// The command line asks for something that does not exist or does not add up.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& what) : Error(what, kExitUsage) {}
};

/// What was asked cannot be known from what was measured. The text names the measurement that would
/// settle it.
class Refusal : public Error {
 public:
  explicit Refusal(const std::string& what) : Error(what, kExitRefused) {}
};

}  // namespace forerun
