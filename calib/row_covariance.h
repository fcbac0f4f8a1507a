// Covariances of new points with the rows of a series, for many points: what depends on the batch
// alone, or on the placement alone, is computed once for each that the rows hold.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "calib/residual_process.h"

namespace forerun {

class RowCovariance {
 public:
  /// `rows` [n]: step times, not sweeps.
  RowCovariance(const ResidualProcess& process, const std::vector<ProcessPoint>& rows);

  /// covariance(process, row, at) for every row. [n]
  Eigen::VectorXd with(const ProcessPoint& at) const;

 private:
  ResidualProcess process_;
  std::vector<Coordinates> batches_, scales_;  // one row of each
  std::vector<size_t> batch_of_, scale_of_;    // [n]
  Eigen::VectorXd compute_share_;              // [n] 1 - communication share
};

}  // namespace forerun
