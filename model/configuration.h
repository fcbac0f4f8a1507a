// One way of running a training: the point at which step time is measured or predicted.
#pragma once

#include <compare>
#include <string>

#include "model/placement.h"

namespace forerun {

/// A workload's run: global_batch = world_size * local_batch * accumulation.
struct Configuration {
  Placement placement;
  int local_batch = 1;   ///< samples per rank and micro-step
  int accumulation = 1;  ///< micro-steps between two all-reduces
  std::string strategy = "ddp";
  std::string precision = "float32";

  int world_size() const { return placement.world_size(); }
  long global_batch() const { return static_cast<long>(world_size()) * local_batch * accumulation; }

  auto operator<=>(const Configuration&) const = default;
};

}  // namespace forerun
