#include "calib/left_out.h"

namespace forerun {

LeftOut leave_out(const SolvedSeries& solved, const NetworkVector& deviation,
                  const std::vector<RowGroup>& groups) {
  const Eigen::Index n = solved.solved_excess.size();
  Eigen::MatrixXd root = Eigen::MatrixXd::Identity(n, n);  // root' root = K^-1
  solved.cholesky.matrixL().solveInPlace(root);
  const Eigen::VectorXd weights = solved.solved_excess - solved.solved_network * deviation;
  LeftOut out{Eigen::VectorXd::Zero(n), Eigen::VectorXd::Zero(n)};
  for (const RowGroup& group : groups) {
    const Eigen::MatrixXd columns = root(Eigen::all, group);
    const Eigen::MatrixXd block = columns.transpose() * columns;
    const Eigen::LLT<Eigen::MatrixXd> cholesky(block);
    const Eigen::VectorXd misses = cholesky.solve(weights(group));
    out.variance(group) =
        cholesky.solve(Eigen::MatrixXd::Identity(block.rows(), block.cols())).diagonal();
    out.miss(group) = misses.array() / out.variance(group).array().sqrt();
  }
  return out;
}

std::vector<RowGroup> one_by_one(Eigen::Index rows) {
  std::vector<RowGroup> out;
  for (Eigen::Index i = 0; i < rows; ++i) out.push_back({i});
  return out;
}

}  // namespace forerun
