// The lines of the accuracy table.
#pragma once

#include <string>

#include "model/io/calibration.h"

namespace forerun {

/// The two lines above the table.
std::string table_header();

/// One protocol: points and refusals in all, errors as means over the workloads that have points.
/// With `each_workload` a line for each of them follows.
std::string table_rows(const std::string& name, const Calibration& calibration, bool each_workload);

}  // namespace forerun
