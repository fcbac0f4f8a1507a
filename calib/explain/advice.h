// What kind of measurement would tell a parameter that the data leave open.
#pragma once

#include <vector>

#include "calib/explain/explanation.h"

namespace forerun {

/// Every parameter of the calibration, in its order.
std::vector<ParameterExplanation> explain_parameters(const Calibration& calibration);

}  // namespace forerun
