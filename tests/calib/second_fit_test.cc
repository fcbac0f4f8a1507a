#include "calib/second_fit.h"

#include <gtest/gtest.h>

#include "calib/calibrate.h"
#include "calib/report.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

constexpr int kLargest = 4;  // nodes, in what follows

/// Synthetic rows on full nodes, so many of them.
std::vector<Observation> full_nodes(const std::vector<int>& nodes) {
  std::vector<Placement> placements;
  for (const int n : nodes) placements.push_back(Placement::even(n, 4 * n));
  std::vector<SyntheticWorkload> workloads = synthetic_cluster();
  for (SyntheticWorkload& w : workloads) w.batches = {8, 12, 16, 24, 32, 48, 64, 96};
  return synthetic_rows(workloads, placements, 0.02, 3);
}

std::vector<Observation> with_largest(std::vector<Observation> rows, double slower) {
  for (Observation& o : rows) {
    if (o.at.placement.nodes() == kLargest) o.step_time_s *= slower;
  }
  return rows;
}

/// The largest take as long as the next smaller.
std::vector<Observation> carried_forward(std::vector<Observation> rows) {
  for (Observation& o : rows) {
    if (o.at.placement.nodes() != kLargest) continue;
    for (const Observation& smaller : rows) {
      if (smaller.model == o.model && smaller.at.local_batch == o.at.local_batch &&
          smaller.at.placement.nodes() > 1 && smaller.at.placement.nodes() < kLargest)
        o.step_time_s = smaller.step_time_s;
    }
  }
  return rows;
}

double interval_scale(const std::vector<Observation>& rows) {
  return calibrate_observations(rows, "synthetic").networks[0].interval_scale;
}

TEST(SecondFit, OfTwoNodesAtMostNarrowsNothing) {
  EXPECT_LT(interval_scale(full_nodes({1, 3, 4})), 1);
  EXPECT_EQ(interval_scale(full_nodes({1, 2, 4})), 1);
}

TEST(SecondFit, OfTwoNodesAtMostWidens) {
  EXPECT_GT(interval_scale(with_largest(full_nodes({1, 2, 4}), 5)), 1.2);
}

TEST(SecondFit, OfTwoNodesAtMostReplacesNoModel) {
  const auto method = [](const std::vector<int>& nodes) {
    const auto rows = carried_forward(full_nodes(nodes));
    return calibrate_observations(rows, "synthetic").find("large")->method;
  };
  EXPECT_EQ(method({1, 3, 4}), "carry_forward");
  EXPECT_EQ(method({1, 2, 4}), "model");
}

TEST(SecondFit, SaysOfWhichClusterItHadToGuess) {
  const auto held_out_by = [](const std::vector<Observation>& rows) {
    return calibrate_observations(rows, "synthetic").held_out_by;
  };
  EXPECT_EQ(held_out_by(full_nodes({1, 3, 4})).find("guess"), std::string::npos);
  EXPECT_NE(held_out_by(full_nodes({1, 2, 4})).find("with two nodes at most"), std::string::npos);
  auto two = full_nodes({1, 3, 4});
  for (Observation& o : two) o.cluster = "told";
  for (Observation o : full_nodes({1, 2, 4})) {
    o.cluster = "guessed";
    two.push_back(o);
  }
  const std::string words = held_out_by(two);
  EXPECT_NE(words.find("two nodes of guessed at most"), std::string::npos) << words;
  EXPECT_EQ(words.find("of told"), std::string::npos) << words;
}

}  // namespace
}  // namespace forerun
