// In place of mpi_communicator.cc where FORERUN_MPI is OFF.
#include "measure/mpi/mpi_communicator.h"
#include "model/error.h"

namespace forerun {

std::string mpi_library_version() { return ""; }

MpiRuntime::MpiRuntime() {
  throw Error(
      "this build has no MPI (FORERUN_MPI=OFF): GPUs are started by torchrun, srun, or measure "
      "itself; CPUs of more than one rank need MPI");
}
MpiRuntime::~MpiRuntime() = default;

}  // namespace forerun
