// MPI behind Communicator. The only door to mpi.h is this header's .cc file.
#pragma once

#include <memory>
#include <string>

#include "measure/collective.h"

namespace forerun {

/// What MPI the program runs with.
struct MpiLibrary {
  std::string version;       ///< mpi_library_version()
  std::string thread_level;  ///< what was provided: `serialized`, ...
};

/// `Open MPI v4.1.4`, `MPICH 4.0.2`: also before MPI is initialized. Empty in a build without MPI,
/// where MpiRuntime throws.
std::string mpi_library_version();

/// Initializes MPI on construction and finalizes it on destruction; one per process.
///
/// Collectives that were started with start() run on one communication thread, blocking,
/// in order, on a communicator of their own: MPI libraries make little progress unless somebody is
/// inside a call (see docs of MPI_Iallreduce in Open MPI and MPICH). Before each, the threads meet
/// in a barrier that sleeps: a blocking collective that spins until its last peer arrives takes
/// half of a core that still computes (steps of mnist-cnn with 2 x 8 samples: 52 ms spinning, 10 ms
/// so, on 2 cores). A mutex keeps that thread and the caller's from being inside MPI at once, so
/// MPI_THREAD_SERIALIZED is enough. Where a library gives less, the queue runs in wait(): correct,
/// without overlap.
///
/// Steps of mnist-cnn with 2 x 16 samples in ms (tests/bench/progress_bench): this thread,
/// MPI_Iallreduce with an MPI_Test at every gradient, MPI_Iallreduce alone. Shared memory 12.5,
/// 13.0, 13.2; emulated links of 400 Mbit/s 129, 230, 230. What costs the others there is Open
/// MPI's choice for MPI_Iallreduce in place: with coll_libnbc_iallreduce_algorithm 1 it is 128,
/// 127, 127. So the thread is no faster than the best of them, and needs no such setting.
class MpiRuntime {
 public:
  /// Throws Error if MPI cannot start.
  MpiRuntime();
  MpiRuntime(const MpiRuntime&) = delete;
  MpiRuntime& operator=(const MpiRuntime&) = delete;
  ~MpiRuntime();

  const MpiLibrary& library() const { return library_; }
  /// All ranks of the launch.
  Communicator& world() { return *world_; }

 private:
  MpiLibrary library_;
  std::unique_ptr<Communicator> world_;
};

}  // namespace forerun
