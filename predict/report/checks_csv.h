// predicted_vs_observed.csv: the table of a report for other programs.
#pragma once

#include <string>
#include <vector>

#include "predict/report/report_data.h"

namespace forerun {

/// One row per configuration, under a header. `predict --points` and `calibrate --observations`
/// read it as it is; `status` is `ok` or `refused` (then the predicted fields are empty).
std::string checks_csv(const std::vector<RunCheck>& checks);

}  // namespace forerun
