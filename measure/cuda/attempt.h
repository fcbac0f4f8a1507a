// A call that one rank may fail, and that others then wait in for ever.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "measure/collective.h"

namespace forerun {

/// Runs `work` on a thread of its own, from construction on, on a GPU.
class Attempt {
 public:
  Attempt(int device, std::function<void()> work);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  /// Waits until `work` has returned.
  ~Attempt();

  /// Asks all members of `control` again and again, until it is done everywhere (true), or until
  /// the memory of one of their GPUs was not enough (false): then others may be inside it still.
  /// Throws what `work` threw here, if it is another error. Collective.
  bool succeeds(Communicator& control);

 private:
  std::string standing() const;
  void run(int device, const std::function<void()>& work);

  mutable std::mutex mutex_;
  std::string standing_;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace forerun
