#include "calib/row_covariance.h"

#include <algorithm>

namespace forerun {
namespace {

/// The index of the first of `known` that is the same as `row`; adds `row` if none is.
template <class Same>
size_t index_of(std::vector<Coordinates>& known, const Coordinates& row, Same same) {
  const auto found = std::find_if(known.begin(), known.end(),
                                  [&](const Coordinates& other) { return same(row, other); });
  const auto index = static_cast<size_t>(found - known.begin());
  if (found == known.end()) known.push_back(row);
  return index;
}

bool same_batch(const Coordinates& a, const Coordinates& b) { return a.batch == b.batch; }

bool same_scale(const Coordinates& a, const Coordinates& b) {
  return a.nodes == b.nodes && a.ranks_per_node == b.ranks_per_node;
}

}  // namespace

RowCovariance::RowCovariance(const ResidualProcess& process, const std::vector<ProcessPoint>& rows)
    : process_(process), compute_share_(static_cast<Eigen::Index>(rows.size())) {
  for (const ProcessPoint& row : rows) {
    compute_share_[static_cast<Eigen::Index>(batch_of_.size())] = 1 - row.communication_share;
    batch_of_.push_back(index_of(batches_, row.at, same_batch));
    scale_of_.push_back(index_of(scales_, row.at, same_scale));
  }
}

Eigen::VectorXd RowCovariance::with(const ProcessPoint& at) const {
  std::vector<BatchFactors> by_batch;
  std::vector<ScaleFactors> by_scale;
  by_batch.reserve(batches_.size());
  by_scale.reserve(scales_.size());
  for (const Coordinates& row : batches_) by_batch.push_back(batch_factors(process_, row, at.at));
  for (const Coordinates& row : scales_) by_scale.push_back(scale_factors(process_, row, at.at));
  const double compute_share = 1 - at.communication_share;
  Eigen::VectorXd out(compute_share_.size());
  for (Eigen::Index i = 0; i < out.size(); ++i) {
    const BatchFactors& batch = by_batch[batch_of_[static_cast<size_t>(i)]];
    const ScaleFactors& scale = by_scale[scale_of_[static_cast<size_t>(i)]];
    out[i] = scale.smooth * batch.smooth + scale.placement * batch.placement +
             batch.compute * compute_share_[i] * compute_share;
  }
  return out;
}

}  // namespace forerun
