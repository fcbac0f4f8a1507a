// Measurements of several ranks that all measurements together do not expect: slips, or what their
// configurations have to themselves.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calib/fit_points.h"
#include "calib/log_interval.h"
#include "model/io/calibration.h"

namespace forerun {

inline constexpr int kBelievedRuns = 3;  ///< of one configuration: none of them slipped

/// Finds WorkloadCalibration::unexpected among what was measured, by workload, fitted or too much
/// to be: 3 standard deviations, the prediction's and its own, or more from what is predicted
/// there.
void find_unexpected(const std::map<std::string, std::vector<FitPoint>>& measured,
                     Calibration& calibration);

/// What is said there instead of `expected`. From kBelievedRuns on they are believed. Fewer may
/// have slipped: the interval holds both, and the slower one is the point, since a choice must not
/// hang on a measurement being wrong.
LogInterval over_unexpected(const LogInterval& expected, const UnexpectedPoint& measured);

}  // namespace forerun
