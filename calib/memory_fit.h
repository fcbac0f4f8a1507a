// What a rank's memory is predicted from.
#pragma once

#include <optional>
#include <vector>

#include "model/io/observations.h"
#include "model/memory.h"

namespace forerun {

/// A line in the local batch through one workload's peaks; none for fewer than two batches.
/// Where it is known what tensors took, the line is theirs: LibTorch holds memory for them in
/// pieces, in steps of some MiB, and more of them in proportion at small batches. What it holds
/// over what they take is that of the largest batch; libraries take the same at any batch.
std::optional<MemoryModel> fit_memory(const std::vector<const Observation*>& rows);

}  // namespace forerun
