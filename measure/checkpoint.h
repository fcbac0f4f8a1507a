// A training between two epochs, in a file: `measure train --resume` goes on from there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "measure/trainer.h"
#include "model/io/run.h"

namespace forerun {

/// How far a training has come, and which training it is.
struct Standing {
  int64_t global_batch = 0;
  uint64_t seed = 0;
  std::string data;
  double learning_rate = 0;  ///< 0: the optimizer's own

  int64_t steps = 0;
  std::vector<double> loss;  ///< of each step
  std::vector<Epoch> epochs;

  bool same_training(const Standing& other) const;
};

/// Written to another name and renamed: a kill leaves the last whole one. Throws Error.
void save_checkpoint(const std::filesystem::path& path, Trainer& trainer, const Standing& standing);

/// Sets the trainer's weights and state. Throws Error if the file is not of the training `asked`.
Standing load_checkpoint(const std::filesystem::path& path, Trainer& trainer,
                         const Standing& asked);

}  // namespace forerun
