// The ranks of a launch, and what connects them: MPI between CPUs; between GPUs NCCL, with MPI or,
// where torchrun or srun started ranks without it, a store for words.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "measure/collective.h"
#include "measure/launch/launcher.h"

namespace forerun {

/// One per process.
class World {
 public:
  /// Lets the ranks find each other. CPUs need MPI, which torchrun does not start. Throws Error if
  /// they cannot. Collective over the launch.
  World(Launcher launcher, bool on_gpus, double timeout_s);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  /// All ranks: words, and between CPUs data.
  Communicator& control();
  /// What that is: `Open MPI v4.1.4, thread level serialized`.
  const std::string& control_library() const;

  struct GpuOptions {
    bool share = false;  ///< ranks may share a GPU: to see that it works, not how fast
    double timeout_s = 60;
    /// NCCL was aborted: see NcclOptions.
    std::function<void(const std::string& what)> failed;
  };
  struct GpuConnection {
    Communicator* world = nullptr;  ///< all ranks: data between GPUs
    int device = 0;                 ///< this rank's, as CUDA counts
    bool shared = false;            ///< some ranks have one GPU
    std::string nccl, cuda;         ///< version and path of what is loaded
  };
  /// Gives each rank a GPU of its host and connects them. Throws UsageError where ranks would share
  /// one and may not. Collective.
  GpuConnection connect_gpus(const GpuOptions& options);
  /// After it nobody calls GpuOptions::failed any more. Collective.
  void disconnect_gpus();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace forerun
