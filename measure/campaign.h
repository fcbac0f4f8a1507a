// `measure`: the network, then every workload, into profile.json within the budget.
#pragma once

#include <vector>

#include "measure/job.h"
#include "measure/options.h"

namespace forerun {

/// Measures. Collective over the job. Results go to the store and, in the end, to standard output.
void run_campaign(Job& job, const MeasureOptions& options, const std::vector<int>& world_sizes);

}  // namespace forerun
