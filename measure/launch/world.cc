#include "measure/launch/world.h"

#include <cstdlib>

#include "measure/launch/store_communicator.h"
#include "measure/launch/tcp_store.h"
#include "measure/mpi/mpi_communicator.h"
#include "model/error.h"

#ifdef FORERUN_CUDA
#include <c10/cuda/CUDAStream.h>

#include "measure/cuda/gpu_of_rank.h"
#include "measure/cuda/nccl_communicator.h"
#include "measure/cuda/nccl_library.h"
#endif

namespace forerun {
namespace {

/// Whether MPI connects the ranks. srun starts them with MPI only where it speaks its protocol.
bool has_mpi(Launcher launcher) {
  if (launcher == Launcher::kTorchrun) return false;
  if (launcher != Launcher::kSlurm) return true;
  if (mpi_library_version().empty()) return false;
  return std::getenv("PMIX_RANK") != nullptr || std::getenv("PMI_RANK") != nullptr;
}

/// The store and its communicator, until the last rank has left.
class StoreWorld {
 public:
  StoreWorld(Launcher launcher, double timeout_s)
      : at_(rendezvous(launcher, std::getenv)),
        store_(open_tcp_store(at_, timeout_s)),
        world_(make_store_communicator(store_, at_.rank, at_.size)) {}
  StoreWorld(const StoreWorld&) = delete;
  StoreWorld& operator=(const StoreWorld&) = delete;
  ~StoreWorld() {
    try {
      leave_store(*store_, at_.rank, at_.size);
    } catch (const Error&) {  // rank 0 is gone: nothing is left to leave
    }
  }

  Communicator& world() { return *world_; }
  std::string description() const {
    return "none; TCPStore on " + at_.host + ":" + std::to_string(at_.port);
  }

 private:
  Rendezvous at_;
  std::shared_ptr<KeyValueStore> store_;
  std::unique_ptr<Communicator> world_;
};

}  // namespace

/// Destroyed from below: data before words.
struct World::Parts {
  std::unique_ptr<MpiRuntime> mpi;
  std::unique_ptr<StoreWorld> store;
  std::string library;
#ifdef FORERUN_CUDA
  std::unique_ptr<NcclRuntime> nccl;
  std::unique_ptr<Communicator> gpus;
#endif
};

World::World(Launcher launcher, bool on_gpus, double timeout_s)
    : parts_(std::make_unique<Parts>()) {
  // One CPU rank under torchrun has nobody to talk to.
  if ((on_gpus || launcher == Launcher::kTorchrun) && !has_mpi(launcher)) {
    parts_->store = std::make_unique<StoreWorld>(launcher, timeout_s);
    parts_->library = parts_->store->description();
    return;
  }
  parts_->mpi = std::make_unique<MpiRuntime>();
  const MpiLibrary& library = parts_->mpi->library();
  parts_->library = library.version + ", thread level " + library.thread_level;
}

World::~World() = default;

Communicator& World::control() {
  return parts_->mpi != nullptr ? parts_->mpi->world() : parts_->store->world();
}

const std::string& World::control_library() const { return parts_->library; }

#ifndef FORERUN_CUDA
namespace {
[[noreturn]] void refuse_gpus() {
  throw Error("this build knows no GPUs; cmake --preset cuda makes one that does");
}
}  // namespace
#endif

World::Gpu World::take_gpu([[maybe_unused]] bool may_share) {
#ifdef FORERUN_CUDA
  const GpuOfRank gpu = choose_gpu(control(), may_share);
  return {gpu.device, gpu.shared};
#else
  refuse_gpus();
#endif
}

World::GpuConnection World::connect_gpus([[maybe_unused]] const Gpu& gpu,
                                         [[maybe_unused]] const GpuOptions& options) {
#ifdef FORERUN_CUDA
  GpuConnection connection;
  NcclOptions nccl;
  nccl.device = gpu.index;
  nccl.current_stream = [device = static_cast<c10::DeviceIndex>(gpu.index)] {
    return c10::cuda::getCurrentCUDAStream(device).stream();
  };
  nccl.timeout_s = options.timeout_s;
  nccl.failed = options.failed;
  parts_->nccl = std::make_unique<NcclRuntime>(std::move(nccl));
  parts_->gpus = parts_->nccl->world(control());
  connection.world = parts_->gpus.get();
  const NcclLibrary library = loaded_nccl();
  connection.nccl = nccl_version_text(library.version) + " (" + library.path + ")";
  connection.cuda = loaded_cuda();
  return connection;
#else
  refuse_gpus();
#endif
}

void World::disconnect_gpus() {
#ifdef FORERUN_CUDA
  parts_->gpus.reset();
  parts_->nccl.reset();
#endif
}

}  // namespace forerun
