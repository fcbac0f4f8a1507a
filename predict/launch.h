// The command that starts a training on a placement.
#pragma once

#include <string>

#include "predict/forecast.h"

namespace forerun {

/// Who starts the ranks.
struct Launcher {
  enum class Kind { kMpirun, kTorchrun, kSrun } kind = Kind::kTorchrun;

  /// `srun` inside a Slurm job (SLURM_JOB_ID is set), else `mpirun` on CPUs and `torchrun` on GPUs.
  static Launcher detect(const Subject& subject);
};

/// One line for a shell. Where a placement spans nodes and the launcher must be told about them,
/// the line holds $HEAD_NODE (torchrun: run it on every node) or a `hosts` file (mpirun).
/// torchrun cannot start unequal numbers of ranks per node; mpirun is used there.
std::string launch_line(const Configuration& at, const Subject& subject, const std::string& program,
                        Launcher launcher);

}  // namespace forerun
