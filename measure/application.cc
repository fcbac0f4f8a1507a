#include "measure/application.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include "measure/campaign.h"
#include "measure/clock.h"
#include "measure/device.h"
#include "measure/gpu/devices_table.h"
#include "measure/gpu/gpus.h"
#include "measure/job.h"
#include "measure/launch/agreement.h"
#include "measure/launch/launcher.h"
#include "measure/launch/spawner.h"
#include "measure/launch/supervisor.h"
#include "measure/launch/world.h"
#include "measure/memory_use.h"
#include "measure/mpi/mpi_communicator.h"
#include "measure/nccl_record.h"
#include "measure/options.h"
#include "measure/plan.h"
#include "measure/precision.h"
#include "measure/request.h"
#include "measure/strategy/strategy.h"
#include "measure/summary.h"
#include "measure/train.h"
#include "measure/trainer.h"
#include "model/error.h"
#include "model/io/atomic_file.h"
#include "model/io/command_line.h"
#include "model/io/wording.h"

namespace forerun {
namespace {

bool built_with_mpi() { return !mpi_library_version().empty(); }

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

/// What makes a machine another one than it seems.
std::string machine_label(bool sharing, const MeasureOptions& options) {
  std::vector<std::string> labels;
  if (sharing) labels.emplace_back(options.device == "cuda" ? kSharedGpuLabel : "oversubscribed");
  if (const auto emulated = emulated_host()) labels.push_back("emulated: " + emulated->description);
  if (options.rehearsal.active()) labels.push_back(options.rehearsal.label());
  std::string text;
  for (const std::string& label : labels) text += (text.empty() ? "" : "; ") + label;
  return text;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// What was asked, else: measuring takes every size, training all ranks.
std::vector<int> world_sizes(const CommandLine& line, int most_ranks) {
  if (!line.measure.world_sizes.empty()) return line.measure.world_sizes;
  if (line.command == Command::kTrain) return {most_ranks};
  return default_world_sizes(most_ranks);
}

/// What can be refused before anything is started.
void check_request(const CommandLine& line, const std::vector<int>& sizes) {
  if (line.command == Command::kTrain) {
    check_training(line.measure, line.train, sizes);
  } else {
    requests(line.measure, sizes);
  }
}

/// Whether the device can do what was asked.
void check_device(const MeasureOptions& options) {
  const bool on_cpus = options.device == "cpu";
  require_numbers(find_precision(options.precision), on_cpus ? torch::kCPU : torch::kCUDA);
  if (on_cpus) return;
  if (options.rehearsal.active()) {
    throw UsageError("--compute recorded waits in place of CPUs; add --device cpu");
  }
  for (const std::string& strategy : options.strategies) {
    if (find_strategy(strategy).processes == Processes::kOneForAllDevices) {
      throw UsageError("strategy " + strategy + " drives CPUs only; add --device cpu, or take ddp");
    }
  }
}

void check_store(const Store& store, const std::vector<Host>& hosts, const MeasureOptions& options,
                 const std::string& label) {
  if (std::filesystem::exists(store.profile())) {
    Machine ours;
    ours.fingerprint = fingerprint(hosts, options.threads, label, options.device);
    require_same_machine(store.profile(), load_profile(store.profile()).machine, ours);
  }
  // A file of the size of nothing: permissions and read-only mounts show before minutes are spent.
  const auto probe = store.folder / (".forerun-probe." + std::to_string(::getpid()));
  write_file_atomically(probe, "");
  std::filesystem::remove(probe);
}

/// Sets what ranks need. True if anything was missing.
bool set_environment(int threads) {
  bool missing = false;
  for (const auto& [name, value] : rank_environment(threads)) {
    missing |= variable(name.c_str()) != value;
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  for (const auto& [name, value] : rank_defaults()) {
    missing |= std::getenv(name.c_str()) == nullptr;
    ::setenv(name.c_str(), value.c_str(), 0);
  }
  return missing;
}

/// This host as the device that measures sees it.
Topology device_topology(Affinity affinity, const MeasureOptions& options) {
  Topology topology = read_topology(affinity);
  if (options.device == "cuda") add_gpus(topology.host, local_gpus());
  return topology;
}

int list_devices(const MeasureOptions& options) {
  print_devices(std::cout, read_topology(Affinity::kHonoured), local_gpus(), built_with_cuda(),
                options.json);
  return options.device == "cuda" && visible_gpus() == 0 ? kExitFailed : kExitDone;
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

/// The process that the user started: starts the ranks and waits.
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

/// All of it is read when libraries are loaded: too late by now, so start over with it.
void ensure_environment(int threads, char** argv) {
  if (set_environment(threads)) ::execv("/proc/self/exe", argv);
}

void require_ranks_of(Launcher launcher, const Communicator& world) {
  const int launched = launched_ranks(launcher, std::getenv);
  if (launched <= 1 || world.size() == launched) return;
  throw Error(launcher_name(launcher) + " started " + std::to_string(launched) + " ranks, but " +
              mpi_library_version() + ", which this program uses, sees " +
              std::to_string(world.size()) +
              (launcher == Launcher::kSlurm ? "; add --mpi=pmix (or --mpi=pmi2) to srun"
                                            : "; take the launcher of that MPI"));
}

/// One sentence, and the end of the whole job. The thread that comes first speaks: what wakes the
/// others is the same failure.
[[noreturn]] void fail(Communicator& world, const Watchdog& watchdog, const std::string& what,
                       int exit_code) {
  static std::atomic_flag failing;
  while (failing.test_and_set()) ::pause();
  // What is wrong on every rank is said by the first one; its end is ours.
  for (const int s : {SIGINT, SIGTERM, SIGUSR1}) std::signal(s, SIG_DFL);
  if (world.rank() > 0) ::sleep(2);
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  std::cerr << "measure: rank " + std::to_string(world.rank()) + " on host " + host + ": " + what +
                   " (while " + watchdog.phase() + ")\n"
            << std::flush;
  world.abort(exit_code);
  std::abort();  // not reached
}

/// What this rank trains on, and what data goes between.
struct Devices {
  World::Gpu taken;
  World::GpuConnection gpus;  ///< `world` is also set where there are none
  std::unique_ptr<Device> gpu;
  std::unique_ptr<NcclLog> nccl_log;
};

Devices connect_devices(World& connection, const MeasureOptions& options,
                        const std::function<void(const std::string&)>& failed) {
  Devices devices;
  devices.gpus.world = &connection.control();
  if (options.device != "cuda") return devices;
  devices.nccl_log =
      std::make_unique<NcclLog>(Store(options.store).folder / "nccl", connection.control().rank());
  devices.taken = connection.take_gpu(options.share_gpu);
  devices.gpu = make_device(options.device, devices.taken.index);  // sees what NCCL takes of it
  devices.gpus = connection.connect_gpus(devices.taken, {options.timeout_s, failed});
  return devices;
}

/// Of the ranks' GPUs, as each was at the start: an instance of a GPU has a part of it, and a CUDA
/// context takes some.
double least_memory(Communicator& world, const Device& gpu) {
  double least = INFINITY;
  for (const std::string& bytes : world.all_gather(std::to_string(gpu.memory_bytes().value()))) {
    least = std::min(least, std::stod(bytes));
  }
  return least;
}

Job make_job(const CommandLine& line, const World& connection, const Devices& devices,
             Watchdog& watchdog) {
  const MeasureOptions& options = line.measure;
  Communicator& world = *devices.gpus.world;
  const bool ours = !variable(kLaunchLineVariable).empty();
  MachineInputs inputs;
  inputs.topology = device_topology(ours ? Affinity::kHonoured : Affinity::kIgnored, options);
  inputs.device = options.device;
  const RankMap map = map_ranks(world, inputs.topology.host.hostname);
  // Emulated hosts share the cores of one machine: none has its own. A GPU's rank is not pinned:
  // the thread that runs backward and NCCL's would share the core with it.
  const bool on_gpus = options.device == "cuda";
  const bool sharing_cores =
      !on_gpus && !emulated_host() &&
      take_cores(world, map, inputs.topology, options.threads, options.oversubscribe);
  inputs.threads_per_rank = options.threads;
  inputs.label = machine_label(on_gpus ? devices.taken.shared : sharing_cores, options);
  inputs.launch_line = variable(kLaunchLineVariable);
  if (!ours) inputs.launch_line = "started by " + launcher_name(detect_launcher(std::getenv));
  inputs.compute_settings = set_up_compute(options.threads);
  inputs.torch = torch_version();
  inputs.mpi = connection.control_library();
  inputs.memory_per_rank_bytes = options.memory_per_rank_bytes;
  Job job{world, watchdog, map, describe_machine(world, map, inputs), clock_now()};
  if (on_gpus) {
    job.machine.libraries["nccl"] = devices.gpus.nccl;
    job.machine.libraries["cuda"] = devices.gpus.cuda;
    job.device = devices.gpu.get();
    if (options.memory_per_rank_bytes == 0) {
      job.machine.memory_per_rank_bytes = least_memory(world, *devices.gpu);
    }
  }
  job.nccl_log = devices.nccl_log.get();
  job.bare_process_bytes = resident_bytes();
  job.cpus = cpus_of_ranks(world);
  if (ours) job.started_s = std::stod(variable(kStartedVariable));
  job.terminal = !variable(kTerminalVariable).empty() || (!ours && ::isatty(STDERR_FILENO) != 0);
  if (options.device == "cpu") limit_memory(job.machine.memory_per_rank_bytes);
  return job;
}

void introduce(const Job& job) {
  const Machine& machine = job.machine;
  std::cerr << "measure: " << machine.fingerprint << "; libtorch "
            << machine.libraries.at("libtorch") << ", " << machine.libraries.at("blas") << ", "
            << machine.libraries.at("mpi") << "\n";
  std::ifstream maps("/proc/self/maps");
  const LoadedBlas blas = find_blas({std::istreambuf_iterator<char>(maps), {}});
  if (!blas.warning.empty()) std::cerr << "measure: warning: " << blas.warning << "\n";
  if (machine.device != "cpu" && !local_gpus().unknown.empty()) {
    std::cerr << "measure: warning: not known: " << local_gpus().unknown << "\n";
  }
  if (machine.label.starts_with(kSharedGpuLabel)) {
    std::cerr << "measure: ranks share a GPU: times are labelled \"" << machine.label
              << "\" and predict nothing\n";
  } else if (machine.label.starts_with("oversubscribed")) {
    std::cerr << "measure: ranks share cores: times are labelled \"" << machine.label
              << "\" and predict nothing\n";
  } else if (!machine.label.empty()) {
    std::cerr << "measure: not a real cluster: all is labelled \"" << machine.label << "\"\n";
  }
}

void run_rank(const CommandLine& line, char** argv, Launcher launcher) {
  ensure_environment(line.measure.threads, argv);
  const bool on_gpus = line.measure.device == "cuda";
  if (launcher == Launcher::kTorchrun && !on_gpus && launched_ranks(launcher, std::getenv) > 1) {
    throw UsageError("torchrun started this, but CPU ranks talk MPI: take mpirun, or srun");
  }
  World connection(launcher, on_gpus, line.measure.timeout_s);
  Communicator& world = connection.control();
  Watchdog watchdog(line.measure.timeout_s, [&](const std::string&) {
    fail(world, watchdog,
         "no progress for " + format_duration(Seconds<>(line.measure.timeout_s)) +
             "; a peer may hang, or --timeout is too short",
         kExitFailed);
  });
  install_stop_signals();
  try {
    require_ranks_of(launcher, world);
    std::vector<std::string> arguments;
    for (char** argument = argv + 1; *argument != nullptr; ++argument) {
      arguments.emplace_back(*argument);
    }
    require_agreement(world, shell_line(arguments), program_identity());
    const Devices devices = connect_devices(connection, line.measure, [&](const std::string& what) {
      fail(world, watchdog, what, kExitFailed);
    });
    Job job = make_job(line, connection, devices, watchdog);
    const std::vector<int> sizes = world_sizes(line, world.size());
    check_request(line, sizes);
    if (job.leads()) {
      introduce(job);
      check_store(Store(line.measure.store), job.machine.hosts, line.measure, job.machine.label);
    }
    if (line.command == Command::kTrain) {
      run_training(job, line.measure, line.train, sizes);
    } else {
      run_campaign(job, line.measure, sizes);
    }
    watchdog.expect("ending");
    connection.disconnect_gpus();  // while there is the watchdog that its failure would name
  } catch (const Error& error) {
    fail(world, watchdog, error.what(), error.exit_code());
  } catch (const std::exception& error) {
    fail(world, watchdog, error.what(), kExitFailed);
  }
}

int run(int argc, char** argv, Launcher launcher) {
  auto line = parse_command_line(argc, argv);
  if (!line) return kExitDone;
  if (line->command == Command::kModels) {
    print_models(line->measure.json);
    return kExitDone;
  }
  if (line->command == Command::kDevices) return list_devices(line->measure);
  line->measure.device = resolve_device(line->measure.device, built_with_cuda());
  check_device(line->measure);
  if (launcher == Launcher::kNone) {
    const int ranks = std::atoi(variable(kSpawnVariable).c_str());
    return ranks > 0 ? spawn_ranks(ranks, argv) : run_parent(*line, argc, argv);
  }
  run_rank(*line, argv, launcher);
  return kExitDone;
}

/// Ranks that fail before they can talk to each other all say the same: one is enough.
bool may_speak() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "RANK"}) {
    const std::string rank = variable(name);
    if (!rank.empty()) return rank == "0";
  }
  return true;
}

}  // namespace

int run_application(int argc, char** argv) {
  try {
    const int code = run(argc, argv, detect_launcher(std::getenv));
    require_stdout();
    return code;
  } catch (const Error& error) {
    if (may_speak()) std::cerr << "measure: " << error.what() << "\n";
    return error.exit_code();
  } catch (const std::exception& error) {
    if (may_speak()) std::cerr << "measure: " << error.what() << "\n";
    return kExitFailed;
  }
}

}  // namespace forerun
