// A calibration in words and as JSON.
#pragma once

#include <string>

#include "model/io/calibration.h"

namespace forerun {

/// Network, workloads, held-out errors beside the naive baselines, what the data could not
/// determine. At most 100 columns.
std::string calibration_text(const Calibration& calibration);

/// models.<name>.held_out.*, models.<name>.naive.<baseline>.*, mean.*, network.*, fit.*
Json calibration_json(const Calibration& calibration);

}  // namespace forerun
