// Networks of others: TorchScript files.
#pragma once

#include <filesystem>

#include "measure/zoo/zoo.h"

namespace forerun {

/// The file as a workload named by its stem; classes and the kind of target are those of its output
/// for one sample of `input`. Throws Error with the file and the reason: missing, not TorchScript,
/// nothing to train (frozen, say), an input that it does not take, an output that is not logits.
Workload script_workload(const std::filesystem::path& file, const InputShape& input);

}  // namespace forerun
