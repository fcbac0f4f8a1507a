// What cannot be known from what was measured, and the measurement that would settle it.
#pragma once

#include <string>

#include "model/configuration.h"
#include "model/io/calibration.h"

namespace forerun {

/// Why a configuration cannot be predicted, and what would settle it; empty if it can.
/// `device`: what a rank has to itself, in words (`GPU`, `rank`).
std::string refusal(const WorkloadCalibration& workload, const NetworkCalibration& network,
                    const Configuration& at, const std::string& device);

}  // namespace forerun
