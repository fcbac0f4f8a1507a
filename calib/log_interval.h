// A 90 % interval of ln T: of a mixture of hypotheses, or around a baseline.
#pragma once

#include <vector>

#include "calib/conditioned_workload.h"

namespace forerun {

/// A step's time and the ends of its 90 % interval, as logarithms.
struct LogInterval {
  double point = 0, low = 0, high = 0;
};

/// Of a mixture of hypotheses of these weights, which add up to 1. The fit that lets two nodes
/// differ, which is the first, contains the other, so three nodes and more have told it what to
/// believe: the point is its own. One and two have not: the median over both.
LogInterval interval_of(const std::vector<LogNormal>& hypotheses,
                        const std::vector<double>& weights, int measured_max_nodes);

/// The same around a baseline's point. It has no interval of its own: what it missed by, or what
/// the model believed possible, whichever is wider.
LogInterval around(double baseline, double missed, const LogInterval& model);

}  // namespace forerun
