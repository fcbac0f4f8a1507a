// Which measurement would reduce the uncertainty most.
//
// Around the parameters everything is linear and Gaussian, so a measurement at x is worth, before
// it is made, what it takes off the variance at y:  cov(x, y)^2 / (var(x) + noise(x)).
// Source: MacKay, Information-based objective functions for active data selection, Neural
// Computation 4 (1992), section 4 (mean marginal variance).
#pragma once

#include <string>
#include <vector>

#include "calib/explain/explanation.h"
#include "calib/predictor.h"

namespace forerun {

/// For the cluster `network` of a calibration: the best measurement per GPU-second, then the best
/// one given that, and so on, until little is left to gain. Candidates are all placements up to
/// twice the measured world size and nodes (never beyond the ranks of a machine that is known), at
/// batches in reach, for the workloads that are least certain. The mean is over what a user would
/// ask: world sizes in doublings up to twice the measured, on as few nodes as they fit, at the
/// smallest, middle and largest batch.
MeasurementPlan plan_measurements(const Predictor& predictor, int network);

/// `measure --model M --world-sizes N --local-batch B`, with what else the configuration says.
std::string measure_command(const std::string& workload, const Configuration& at);

}  // namespace forerun
