#include "measure/rank.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>

#include "measure/campaign.h"
#include "measure/clock.h"
#include "measure/device.h"
#include "measure/failure.h"
#include "measure/gpu/gpus.h"
#include "measure/heartbeat.h"
#include "measure/job.h"
#include "measure/launch/agreement.h"
#include "measure/launch/supervisor.h"
#include "measure/launch/world.h"
#include "measure/memory_use.h"
#include "measure/mpi/mpi_communicator.h"
#include "measure/nccl_record.h"
#include "measure/start.h"
#include "measure/train.h"
#include "measure/trainer.h"
#include "model/error.h"
#include "model/io/command_line.h"

namespace forerun {
namespace {

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

StartedAs started_as(char** argv) {
  std::vector<std::string> arguments;
  for (char** argument = argv + 1; *argument != nullptr; ++argument) {
    arguments.emplace_back(*argument);
  }
  return {shell_line(arguments), loaded_file(),
          "LibTorch " + torch_version() + " (" + loaded_file("/libtorch_cpu.") + "), " +
              (built_with_mpi() ? mpi_library_version() : "no MPI")};
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

}  // namespace

void run_rank(const CommandLine& line, char** argv, Launcher launcher) {
  ensure_environment(line.measure.threads, argv);
  const bool on_gpus = line.measure.device == "cuda";
  if (launcher == Launcher::kTorchrun && !on_gpus && launched_ranks(launcher, std::getenv) > 1) {
    throw UsageError("torchrun started this, but CPU ranks talk MPI: take mpirun, or srun");
  }
  World connection(launcher, on_gpus, line.measure.timeout_s);
  Communicator& world = connection.control();
  LocalPeers peers;
  Heartbeat heartbeat;
  Watchdog watchdog(
      line.measure.timeout_s,
      [&](const std::string&) {
        fail_of_hang(world, watchdog, peers, heartbeat, line.measure.timeout_s);
      },
      [&] { heartbeat.beat(); });
  install_stop_signals();
  try {
    require_ranks_of(launcher, world);
    require_agreement(world, started_as(argv));
    const Devices devices = connect_devices(connection, line.measure, [&](const std::string& what) {
      fail(world, watchdog, what, kExitFailed);
    });
    Job job = make_job(line, connection, devices, watchdog);
    peers.learn(*devices.gpus.world, job.map);
    heartbeat.connect(*devices.gpus.world, job.map.hosts);
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
    fail(world, watchdog, in_one_line(error.what()), kExitFailed);
  }
}

}  // namespace forerun
