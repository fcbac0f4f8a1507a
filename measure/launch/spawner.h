// Plays torchrun on one host, for machines that have no launcher.
#pragma once

namespace forerun {

/// Set to a number of ranks, it makes a process that no launcher started the spawner of so many.
inline constexpr char kSpawnVariable[] = "FORERUN_SPAWN";

/// Starts this program `ranks` times with `argv` and torchrun's environment variables, passes
/// signals on, and waits. Returns the exit code of the first rank that ended badly, else 0; the
/// others then have kPatience to end. A rank that a signal ended is named on standard error.
int spawn_ranks(int ranks, char** argv);

}  // namespace forerun
