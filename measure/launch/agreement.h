// Ranks that were not started alike would wait for each other in different places.
#pragma once

#include <string>

#include "measure/collective.h"

namespace forerun {

/// Our program's file as a rank sees it: differs where hosts have different builds.
std::string program_identity();

/// Throws Error, on every rank the same, naming the first rank whose `command` line or `program`
/// differs from rank 0's. Collective.
void require_agreement(Communicator& world, const std::string& command, const std::string& program);

}  // namespace forerun
