// The process that the user started: it starts the ranks and waits.
#pragma once

#include "measure/options.h"

namespace forerun {

/// Returns the exit code. Throws Error for what cannot be started.
int run_parent(const CommandLine& line, int argc, char** argv);

}  // namespace forerun
