// NCCL's own log, kept for every rank, and what it says in the profile.
#pragma once

#include <filesystem>
#include <string>

#include "measure/collective.h"
#include "model/io/nccl_log.h"

namespace forerun {

/// Makes NCCL write to a file of this rank in `folder`, which is returned; empty where the user has
/// sent its log elsewhere. Before the first call of NCCL.
std::string keep_nccl_log(const std::filesystem::path& folder, int rank);

/// What the logs of all ranks say, at rank 0; elsewhere this rank's. Collective.
NcclReport collect_nccl_log(Communicator& world, const std::string& log);

}  // namespace forerun
