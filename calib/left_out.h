// What a series' rows would be missed by if they were left out, without solving again.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "calib/posterior.h"

namespace forerun {

/// Rows of a series that are left out together.
using RowGroup = std::vector<Eigen::Index>;

/// [n] each, of rows predicted from all others; 0 where a row is in no group.
struct LeftOut {
  Eigen::VectorXd miss;      ///< over its standard deviation
  Eigen::VectorXd variance;  ///< of the miss, in log step time
};

/// `deviation`: of the network's parameters from their prior, which is taken as known although
/// these rows helped to find it: explain's leave-one-out, which is shown, allows for that. Source:
/// Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), eq. 5.12, with a block of
/// K^-1 for its element: block^-1 is the covariance of the group's misses, block^-1 (K^-1 y) the
/// misses.
LeftOut leave_out(const SolvedSeries& solved, const NetworkVector& deviation,
                  const std::vector<RowGroup>& groups);

/// Each of `rows` rows by itself.
std::vector<RowGroup> one_by_one(Eigen::Index rows);

}  // namespace forerun
