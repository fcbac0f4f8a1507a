// Where a calibration errs: its own rows left out one at a time, and rows it never saw.
#pragma once

#include <map>

#include "calib/evidence.h"
#include "calib/explain/explanation.h"
#include "calib/predictor.h"

namespace forerun {

/// Points by the name that their workload has in a calibration.
using PointsByWorkload = std::map<std::string, std::vector<FitPoint>>;

/// Errors of every workload. Left out one at a time means: by the formulas and the residual process
/// as fitted, conditioned on all rows but one. Source: Rasmussen & Williams (2006), equation 5.12,
/// with the network's parameters marginalized.
/// `fitted` tells what was known of a row's spread before the fit called it an outlier.
std::vector<WorkloadExplanation> explain_workloads(const Predictor& predictor,
                                                   const PointsByWorkload& fitted,
                                                   const PointsByWorkload& held_out);

}  // namespace forerun
