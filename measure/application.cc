#include "measure/application.h"

#include <cstdlib>
#include <iostream>

#include "measure/device.h"
#include "measure/gpu/devices_table.h"
#include "measure/gpu/gpus.h"
#include "measure/launch/launcher.h"
#include "measure/launch/spawner.h"
#include "measure/parent.h"
#include "measure/rank.h"
#include "measure/start.h"
#include "measure/summary.h"
#include "model/error.h"

namespace forerun {
namespace {

int list_devices(const MeasureOptions& options) {
  print_devices(std::cout, read_topology(Affinity::kHonoured), local_gpus(), built_with_cuda(),
                options.json);
  return options.device == "cuda" && visible_gpus() == 0 ? kExitFailed : kExitDone;
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
