// Synthetic step times: the model itself, with noise. For tests only; every use says so.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "model/io/observations.h"
#include "model/step_time.h"

namespace forerun {

struct SyntheticWorkload {
  std::string name;
  StepModel<> model;
  std::vector<int> batches;
  bool tell_bytes = true;
};

/// A cluster of up to 4 nodes with 4 GPUs and two workloads, with parameters like those of real
/// ones.
std::vector<SyntheticWorkload> synthetic_cluster();

/// Placements 1x1, 1x2, 1x4, 2x1, 2x2, 2x4, 4x1, 4x2 (nodes x GPUs per node).
std::vector<Placement> synthetic_placements();

/// One row per workload, placement and batch: the model times exp(noise), noise ~ N(0,
/// relative_noise^2).
std::vector<Observation> synthetic_rows(const std::vector<SyntheticWorkload>& workloads,
                                        const std::vector<Placement>& placements,
                                        double relative_noise, unsigned seed);

}  // namespace forerun
