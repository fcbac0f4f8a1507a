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

  struct Gpu {
    int index = 0;        ///< this rank's, as CUDA counts
    bool shared = false;  ///< some ranks have one GPU
  };
  /// Gives each rank a GPU of its host. Throws UsageError where ranks would share one and may not:
  /// that is to see that it works, not how fast. Collective.
  Gpu take_gpu(bool may_share);

  struct GpuOptions {
    double timeout_s = 60;
    /// NCCL was aborted: see NcclOptions.
    std::function<void(const std::string& what)> failed;
  };
  struct GpuConnection {
    Communicator* world = nullptr;  ///< all ranks: data between GPUs
    std::string nccl, cuda;         ///< version and path of what is loaded
  };
  /// Connects the GPUs that ranks have taken. Collective.
  GpuConnection connect_gpus(const Gpu& gpu, const GpuOptions& options);
  /// After it nobody calls GpuOptions::failed any more. Collective.
  void disconnect_gpus();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace forerun
