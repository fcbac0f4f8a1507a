#include "measure/start.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "measure/gpu/gpus.h"
#include "measure/launch/launcher.h"
#include "measure/machine.h"
#include "measure/mpi/mpi_communicator.h"
#include "measure/plan.h"
#include "measure/precision.h"
#include "measure/request.h"
#include "measure/strategy/strategy.h"
#include "measure/train.h"
#include "model/error.h"
#include "model/io/atomic_file.h"

namespace forerun {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool built_with_mpi() { return !mpi_library_version().empty(); }

std::string machine_label(bool sharing, const MeasureOptions& options) {
  std::vector<std::string> labels;
  if (sharing) labels.emplace_back(options.device == "cuda" ? kSharedGpuLabel : "oversubscribed");
  if (const auto emulated = emulated_host()) labels.push_back("emulated: " + emulated->description);
  if (options.rehearsal.active()) labels.push_back(options.rehearsal.label());
  std::string text;
  for (const std::string& label : labels) text += (text.empty() ? "" : "; ") + label;
  return text;
}

std::vector<int> world_sizes(const CommandLine& line, int most_ranks) {
  if (!line.measure.world_sizes.empty()) return line.measure.world_sizes;
  if (line.command == Command::kTrain) return {most_ranks};
  return default_world_sizes(most_ranks);
}

Topology device_topology(Affinity affinity, const MeasureOptions& options) {
  Topology topology = read_topology(affinity);
  if (options.device == "cuda") add_gpus(topology.host, local_gpus());
  return topology;
}

void check_request(const CommandLine& line, const std::vector<int>& sizes) {
  if (line.command == Command::kTrain) {
    check_training(line.measure, line.train, sizes);
  } else {
    requests(line.measure, sizes);
  }
}

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

}  // namespace forerun
