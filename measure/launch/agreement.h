// Ranks that were not started alike would wait for each other in different places.
#pragma once

#include <string>

#include "measure/collective.h"

namespace forerun {

/// The first file that this process has loaded whose path holds `part`, as its linker and its host
/// see it: `build 1f2e3d4c, 123456 bytes`. The program itself is the first of all.
std::string loaded_file(const std::string& part = "");

struct StartedAs {
  std::string command;    ///< line
  std::string program;    ///< loaded_file()
  std::string libraries;  ///< that compute and that connect
};

/// Throws Error, on every rank the same, naming the first rank that is not started as rank 0 is.
/// Collective.
void require_agreement(Communicator& world, const StartedAs& mine);

}  // namespace forerun
