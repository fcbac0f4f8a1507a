// What all cases of measure_ranks_test share: they run on four processes at once.
#pragma once

#include "measure/mpi/mpi_communicator.h"

namespace forerun {

inline MpiRuntime* g_mpi = nullptr;  ///< main's
inline Communicator& world() { return g_mpi->world(); }

}  // namespace forerun
