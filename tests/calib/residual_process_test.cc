#include "calib/residual_process.h"

#include <gtest/gtest.h>

#include <cmath>

#include "calib/row_covariance.h"

namespace forerun {
namespace {

ResidualProcess some_process() {
  return {.compute_sd = 0.05,
          .compute_length = 1.5,
          .scale_sd = 0.1,
          .batch_length = 2.5,
          .placement_sd = 0.03,
          .noise_sd = 0.02,
          .communication_noise_sd = 0.04,
          .sweep_sd = 0.2};
}

/// Step times at batches 8 to 64 on 1x1, 1x4, 2x4 and 4x1.
std::vector<ProcessPoint> grid() {
  std::vector<ProcessPoint> points;
  for (const auto& [nodes, ranks] :
       {std::pair(0.0, 0.0), std::pair(0.0, 2.0), std::pair(1.0, 2.0), std::pair(2.0, 0.0)}) {
    for (int batch = 3; batch <= 6; ++batch) {
      points.push_back({{static_cast<double>(batch), nodes, ranks}, 0.1 * batch});
    }
  }
  return points;
}

TEST(ResidualProcess, OnePlacementIsCloserToItselfThanToANeighbour) {
  const ProcessPoint here{{5, 2, 0}, 0.5}, near{{5, 2 + 1e-9, 0}, 0.5}, alone{{5, 0, 0}, 0};
  ResidualProcess without = some_process();
  without.placement_sd = 0;
  EXPECT_NEAR(covariance(some_process(), here, here) - covariance(some_process(), here, near),
              0.03 * 0.03, 1e-9);
  // One rank alone shares nothing with neighbours.
  EXPECT_DOUBLE_EQ(covariance(some_process(), alone, alone), covariance(without, alone, alone));
}

TEST(ResidualProcess, GradientIsThatOfTheValue) {
  constexpr double kStep = 1e-6;
  const auto logs = to_logs(some_process());
  for (const ProcessPoint& a : grid()) {
    for (const ProcessPoint& b : grid()) {
      const WithGradient k = covariance_gradient(some_process(), a, b);
      for (int h = 0; h < kHyperParameters; ++h) {
        auto moved = logs;
        moved[h] += kStep;
        const double slope = (covariance(from_logs(moved.data()), a, b) - k.value) / kStep;
        ASSERT_NEAR(k.by_log[h], slope, 1e-7) << "hyper-parameter " << h;
      }
    }
  }
}

TEST(RowCovariance, IsTheCovarianceOfEveryRow) {
  const std::vector<ProcessPoint> rows = grid();
  const RowCovariance covariances(some_process(), rows);
  for (const ProcessPoint& at : {rows[5], ProcessPoint{{4.5, 3, 1}, 0.7}}) {
    const Eigen::VectorXd k = covariances.with(at);
    ASSERT_EQ(k.size(), static_cast<Eigen::Index>(rows.size()));
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_NEAR(k[static_cast<Eigen::Index>(i)], covariance(some_process(), rows[i], at), 1e-15);
    }
  }
}

}  // namespace
}  // namespace forerun
