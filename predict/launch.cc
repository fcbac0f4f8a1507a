#include "predict/launch.h"

#include <cstdlib>

namespace forerun {
namespace {

using Kind = Launcher::Kind;

std::string interpreted(const std::string& program) {
  return program.ends_with(".py") ? "python3 " + program : program;
}

std::string mpirun(const Configuration& at, const Subject& subject, const std::string& program) {
  const Placement& p = at.placement;
  std::string line = "mpirun -n " + std::to_string(p.world_size());
  if (p.nodes() > 1) line += " --hostfile hosts";
  line += " --map-by ppr:" + std::to_string(p.max_ranks_per_node()) + ":node";
  if (subject.device == "cpu") {
    const std::string threads = std::to_string(subject.threads_per_rank);
    line += ":PE=" + threads + " --bind-to core -x OMP_NUM_THREADS=" + threads;
  }
  return line + " " + interpreted(program);
}

std::string torchrun(const Placement& p, const std::string& program) {
  std::string line = "torchrun --nnodes " + std::to_string(p.nodes()) + " --nproc-per-node " +
                     std::to_string(p.max_ranks_per_node());
  line += p.nodes() == 1
              ? " --standalone"
              : " --rdzv-backend c10d --rdzv-id forerun --rdzv-endpoint $HEAD_NODE:29500";
  return line + " " + program;
}

std::string srun(const Configuration& at, const Subject& subject, const std::string& program) {
  const Placement& p = at.placement;
  std::string line = "srun --nodes " + std::to_string(p.nodes()) + " --ntasks " +
                     std::to_string(p.world_size()) + " --ntasks-per-node " +
                     std::to_string(p.max_ranks_per_node());
  line += subject.device == "cpu"
              ? " --cpus-per-task " + std::to_string(subject.threads_per_rank) + " --cpu-bind cores"
              : " --gpus-per-node " + std::to_string(p.max_ranks_per_node());
  return line + " " + interpreted(program);
}

}  // namespace

Launcher Launcher::detect(const Subject& subject) {
  const char* job = std::getenv("SLURM_JOB_ID");
  if (job != nullptr && *job != '\0') return {Kind::kSrun};
  return {subject.device == "cpu" ? Kind::kMpirun : Kind::kTorchrun};
}

std::string launch_line(const Configuration& at, const Subject& subject, const std::string& program,
                        Launcher launcher) {
  const Placement& p = at.placement;
  const bool equal = p.ranks_per_node().back() == p.max_ranks_per_node();
  if (launcher.kind == Kind::kSrun) return srun(at, subject, program);
  if (launcher.kind == Kind::kTorchrun && equal) return torchrun(p, program);
  return mpirun(at, subject, program);
}

}  // namespace forerun
