#include "calib/left_out.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace forerun {
namespace {

/// Three batches on each of one, two, four and eight ranks of a node.
Series random_series(unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<> normal;
  Series series = empty_series(12);
  series.workload_prior_sd.setConstant(0.3);
  series.amplitude = 1.5;
  for (Eigen::Index i = 0; i < 12; ++i) {
    const Eigen::Index ranks = i / 3;
    series.at[static_cast<size_t>(i)] = {.at = {.batch = 1.0 + static_cast<double>(i % 3),
                                                .ranks_per_node = static_cast<double>(ranks)},
                                         .communication_share = 0.1 * static_cast<double>(ranks)};
    series.excess[i] = 0.1 * normal(random);
    series.base_noise[i] = 1e-4;
    series.by_network(i, 0) = normal(random);
    series.by_workload.row(i).setConstant(0.5 + 0.1 * normal(random));
  }
  return series;
}

/// `rows` of `y`, a normal vector of mean 0 and covariance `k`, from all its others.
LeftOut predicted_from_the_rest(const Eigen::MatrixXd& k, const Eigen::VectorXd& y,
                                const RowGroup& rows) {
  RowGroup rest;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (std::ranges::find(rows, i) == rows.end()) rest.push_back(i);
  }
  const Eigen::MatrixXd gain =
      Eigen::LLT<Eigen::MatrixXd>(k(rest, rest)).solve(Eigen::MatrixXd(k(rest, rows))).transpose();
  const Eigen::MatrixXd left = Eigen::MatrixXd(k(rows, rows)) - gain * k(rest, rows);
  const Eigen::VectorXd miss = y(rows) - gain * y(rest);
  return {miss.array() / left.diagonal().array().sqrt(), left.diagonal()};
}

TEST(LeaveOut, IsPredictingFromTheRest) {
  const Series series = random_series(5);
  const SolvedSeries solved = solve_series(series, default_process());
  const Eigen::MatrixXd k = solved.cholesky.reconstructedMatrix();
  const std::vector<RowGroup> groups = {{0, 1, 2}, {4}, {5, 9, 11}};
  const NetworkVector deviation = NetworkVector::Constant(0.2);
  const LeftOut left_out = leave_out(solved, deviation, groups);
  const Eigen::VectorXd y = series.excess - series.by_network * deviation;
  for (const RowGroup& group : groups) {
    const LeftOut expected = predicted_from_the_rest(k, y, group);
    for (size_t i = 0; i < group.size(); ++i) {
      const auto row = static_cast<Eigen::Index>(i);
      EXPECT_NEAR(left_out.miss[group[i]], expected.miss[row], 1e-8);
      EXPECT_NEAR(left_out.variance[group[i]], expected.variance[row], 1e-10);
    }
  }
  EXPECT_EQ(left_out.miss[3], 0);  // in no group
}

TEST(LeaveOut, AnAmplifiedSeriesMissesByFewerStandardDeviations) {
  Series series = random_series(5);
  const auto misses = [&](double amplitude) {
    series.amplitude = amplitude;
    const SolvedSeries solved = solve_series(series, default_process());
    return leave_out(solved, NetworkVector::Zero(), one_by_one(12)).miss.cwiseAbs().sum();
  };
  EXPECT_LT(misses(3), 0.5 * misses(1));
}

}  // namespace
}  // namespace forerun
