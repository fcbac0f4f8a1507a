// LibTorch's TCPStore as our KeyValueStore: it is in every LibTorch, and needs no MPI.
#pragma once

#include <memory>

#include "measure/launch/store_communicator.h"

namespace forerun {

/// Rank 0 serves the store, the others connect to it. Throws Error with the address if that fails
/// within `timeout_s`.
std::shared_ptr<KeyValueStore> open_tcp_store(const Rendezvous& at, double timeout_s);

}  // namespace forerun
