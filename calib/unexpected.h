// Measurements that a calibration was not fitted to, and does not expect.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calib/evidence.h"
#include "model/io/calibration.h"

namespace forerun {

/// Of what was measured on several ranks, by workload, and was too much to be fitted, keeps what is
/// not as predicted (over_unexpected()) as WorkloadCalibration::unexpected.
void keep_unexpected(const std::map<std::string, std::vector<FitPoint>>& measured,
                     Calibration& calibration);

}  // namespace forerun
