// A moment of a step, wherever its work runs.
#pragma once

#include <memory>

namespace forerun {

/// On a CPU the moment when the clock was read. On a GPU the moment when the work that was given
/// before it is done: it comes later, and Device::seconds() tells when it was.
struct Mark {
  double host_s = 0;            ///< clock_now() when it was made
  std::shared_ptr<void> event;  ///< of a GPU's stream; empty: host_s is the moment
};

}  // namespace forerun
