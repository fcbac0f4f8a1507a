// Which rows are fitted and which are predicted, by protocol.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/io/observations.h"

namespace forerun {

struct Protocol {
  std::string name;
  std::function<bool(const Observation&)> fit;
  std::function<bool(const Observation&)> test;  ///< asked only of rows that are not fitted
};

/// The protocols that any set of step times allows. `rows` tells what the batches are.
std::vector<Protocol> scale_protocols(const std::vector<Observation>& rows);

/// Fit up to so many GPUs, predict all that is larger.
Protocol up_to_protocol(int gpus);

/// One workload on one GPU, all others everywhere; a protocol per workload whose bytes are in
/// `grad_bytes`.
std::vector<Protocol> one_gpu_protocols(const std::vector<Observation>& rows);

/// Rows with roles set; rows of neither kind are dropped.
std::vector<Observation> with_roles(const Protocol& protocol, const std::vector<Observation>& rows);

/// Rows of equal (cluster, model, nodes, gpus, local batch) as one: the mean.
std::vector<Observation> mean_over_placements(const std::vector<Observation>& rows);

}  // namespace forerun
