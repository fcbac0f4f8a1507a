#include "measure/parent.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "measure/clock.h"
#include "measure/device.h"
#include "measure/gpu/gpus.h"
#include "measure/launch/launcher.h"
#include "measure/launch/spawner.h"
#include "measure/launch/supervisor.h"
#include "measure/mpi/mpi_communicator.h"
#include "measure/start.h"
#include "model/error.h"
#include "model/io/wording.h"

namespace forerun {
namespace {

/// The launcher of the MPI that this program was built with.
MpiLauncherProgram require_launcher() {
  const std::string version = mpi_library_version();
  const auto flavor = mpi_flavor(version);
  if (!flavor) throw Error("do not know the launcher of " + version + "; start measure with it");
  if (const auto program = find_mpi_launcher(*flavor)) return *program;
  throw Error("no launcher of " + version + " (mpirun or mpiexec) in $PATH; apt-get install " +
              (*flavor == MpiFlavor::kOpenMpi ? "openmpi-bin" : "mpich") +
              " brings one, or a module of your site");
}

/// What stands before the program: mpirun, where it is there. GPUs need no MPI, nor does one rank:
/// then the program starts its ranks itself.
std::vector<std::string> start_of_launch(int ranks, bool on_gpus, bool sharing) {
  const auto flavor = mpi_flavor(mpi_library_version());
  const bool can_spawn = on_gpus || (!built_with_mpi() && ranks == 1);
  if (can_spawn && (!flavor || !find_mpi_launcher(*flavor))) {
    ::setenv(kSpawnVariable, std::to_string(ranks).c_str(), 1);
    return {};
  }
  return launch_command(require_launcher(), ranks, ::geteuid() == 0, sharing);
}

}  // namespace

int run_parent(const CommandLine& line, int argc, char** argv) {
  const MeasureOptions& options = line.measure;
  const Topology topology = device_topology(Affinity::kHonoured, options);
  const bool on_gpus = options.device == "cuda";
  const int free_cores = built_with_mpi() ? topology.host.cores : options.threads;
  const int free_ranks = std::max(1, on_gpus ? visible_gpus() : free_cores / options.threads);
  if (topology.host.cores < options.threads) {
    throw UsageError("--threads " + std::to_string(options.threads) + ": this machine has " +
                     std::to_string(topology.host.cores) + " cores for us");
  }
  const std::vector<int> sizes = world_sizes(line, free_ranks);
  check_request(line, sizes);
  const int ranks = sizes.back();
  const bool sharing = ranks > free_ranks;
  if (sharing && !on_gpus && !built_with_mpi()) {
    throw UsageError("world size " + std::to_string(ranks) +
                     " on CPUs needs MPI, which this build has not (FORERUN_MPI=OFF)");
  }
  if (sharing && on_gpus && !options.share_gpu) {
    throw UsageError("world size " + std::to_string(ranks) + " needs more GPUs than there are (" +
                     std::to_string(free_ranks) +
                     "); add --share-gpu to see that it works: such times predict nothing");
  }
  if (sharing && !on_gpus && !options.oversubscribe) {
    throw UsageError("world size " + std::to_string(ranks) + " needs more cores than there are (" +
                     std::to_string(topology.host.cores) + " for " +
                     count(options.threads, "thread") +
                     " per rank); add --oversubscribe to try it out: such times predict nothing");
  }
  check_store(Store(options.store), {topology.host}, options, machine_label(sharing, options));

  std::vector<std::string> command = start_of_launch(ranks, on_gpus, sharing);
  command.push_back(std::filesystem::read_symlink("/proc/self/exe").string());
  command.insert(command.end(), argv + 1, argv + argc);
  set_environment(options.threads);
  std::string shown = shell_line(command);
  if (const char* spawned = std::getenv(kSpawnVariable)) {
    shown = std::string(kSpawnVariable) + "=" + spawned + " " + shown;
  }
  ::setenv(kLaunchLineVariable, shown.c_str(), 1);
  ::setenv(kStartedVariable, std::to_string(clock_now()).c_str(), 1);
  if (::isatty(STDERR_FILENO) != 0) ::setenv(kTerminalVariable, "1", 1);
  std::cerr << "measure: " << shown << "\n";
  const std::string unused = unused_gpus(built_with_cuda(), local_gpus());
  if (!unused.empty()) std::cerr << "measure: " << unused << "\n";
  return supervise(command);
}

}  // namespace forerun
