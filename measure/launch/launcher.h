// Starting the ranks: who started us, and how we start ourselves where nobody did.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace forerun {

enum class Launcher { kNone, kTorchrun, kOpenMpi, kMpich, kSlurm };

/// Reads an environment variable: `std::getenv` outside tests.
using Environment = std::function<const char*(const char*)>;

/// Who started this process as one of several ranks.
Launcher detect_launcher(const Environment& environment);
std::string launcher_name(Launcher launcher);
/// How many ranks it says it started; 0 where it does not.
int launched_ranks(Launcher launcher, const Environment& environment);

/// The launcher programs we can start by ourselves, told apart by their `--version`.
enum class MpiFlavor { kOpenMpi, kMpich };
struct MpiLauncherProgram {
  std::string path;
  MpiFlavor flavor;
};
/// Looks for mpirun, mpiexec and their names in Debian in $PATH; one of another MPI than ours
/// starts as many worlds of one. nullopt if there is none of this flavor.
std::optional<MpiLauncherProgram> find_mpi_launcher(MpiFlavor flavor);
/// From the text that `mpirun --version` prints, or MPI's own version; nullopt for an unknown one.
std::optional<MpiFlavor> mpi_flavor(const std::string& version_text);

/// `mpirun -np 2 ...`, without the program. Ranks are not bound by the launcher: each pins itself
/// to its own cores, which works alike for every launcher and is checked (see placement.h).
std::vector<std::string> launch_command(const MpiLauncherProgram& program, int ranks, bool as_root,
                                        bool oversubscribe);

/// A command as one would type it.
std::string shell_line(const std::vector<std::string>& command);

/// What a rank must find in its environment before any library is loaded.
std::map<std::string, std::string> rank_environment(int threads_per_rank);
/// What it should find there unless the user set it otherwise.
std::map<std::string, std::string> rank_defaults();

}  // namespace forerun
