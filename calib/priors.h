// What is believed before anything is fitted: weak, and relative to the data's own scale, so that
// units of time do not matter.
#pragma once

#include "calib/evidence.h"
#include "calib/ingredients.h"
#include "calib/linearization.h"

namespace forerun {

using NetworkPrior = Prior<kNetworkParameters>;
using WorkloadPrior = Prior<kWorkloadParameters>;

/// Priors of one cluster, by workload in the order of the evidence.
struct Priors {
  NetworkPrior network;
  std::vector<WorkloadPrior> workloads;
};

/// Whether two nodes may behave differently from three and more. Data from two nodes alone cannot
/// tell, so both are kept.
enum class TwoNodeHypothesis { kMayDiffer, kSameAsMore };

/// Throws Error if the evidence is empty.
Priors make_priors(const Evidence& evidence, TwoNodeHypothesis hypothesis,
                   const Ingredients& ingredients);

}  // namespace forerun
