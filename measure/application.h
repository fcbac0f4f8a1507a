// The program: either the parent that starts the ranks, or one of the ranks.
#pragma once

namespace forerun {

/// Returns the exit code; every error is already told.
int run_application(int argc, char** argv);

}  // namespace forerun
