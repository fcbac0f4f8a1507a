// Which workloads miss the formulas by more than the others of their cluster do, and by how much.
#pragma once

#include <vector>

#include "calib/evidence.h"
#include "calib/posterior.h"

namespace forerun {

/// Factors on the residual process's amplitudes.
struct OwnAmplitudes {
  double of_all = 1;         ///< what the calmest workload needs: the cluster's
  std::vector<double> more;  ///< what each needs beside it, in the order of the evidence: >= 1
};

/// Workloads share a process, but other jobs, file systems and loaders make some more irregular
/// than others. Leaves out each scale of several ranks in turn: the 90th percentile of a workload's
/// misses, over a normal's, is what it needs more than is claimed; never less, since calm where it
/// was measured is not calm beyond. Workloads that cannot be compared keep 1: of fewer than two
/// such scales, or if no other one has as many. `deviation`: of the network's parameters from their
/// prior. `present`: amplitudes that `solved` was solved with.
OwnAmplitudes own_amplitudes(const Evidence& evidence, const std::vector<SolvedSeries>& solved,
                             const NetworkVector& deviation, const std::vector<double>& present);

}  // namespace forerun
