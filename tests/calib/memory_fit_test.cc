// What a rank's memory is predicted from.
#include <gtest/gtest.h>

#include <algorithm>

#include "calib/calibrate.h"
#include "tests/calib/synthetic.h"

namespace forerun {
namespace {

/// A tenth more than tensors take at the largest batch, more of it at the others; 500 MB beside it.
std::vector<Observation> rows() {
  std::vector<SyntheticWorkload> workloads = synthetic_cluster();
  workloads.resize(1);
  const int largest = *std::max_element(workloads[0].batches.begin(), workloads[0].batches.end());
  auto rows = synthetic_rows(workloads, synthetic_placements(), 0.01, 1);
  for (Observation& row : rows) {
    const double tensors = 1e9 + 1e7 * row.at.local_batch;
    const double held = row.at.local_batch == largest ? 1.1 : 1.4;
    row.peak_memory_bytes = held * tensors + 5e8;
    row.allocated_bytes = tensors;
    row.library_bytes = 5e8;
  }
  return rows;
}

TEST(MemoryFit, FollowsTensorsAndAddsWhatIsHeldAtTheLargestBatch) {
  const auto memory = calibrate_observations(rows(), "synthetic").workloads.at(0).memory;
  ASSERT_TRUE(memory.has_value());
  EXPECT_NEAR(memory->fixed.value(), 1.1e9 + 5e8, 1);  // 1.1 x 1 GB + 500 MB
  EXPECT_NEAR(memory->per_sample.value(), 1.1e7, 1e-3);
}

TEST(MemoryFit, TakesPeaksAloneWhereNothingElseIsKnown) {
  auto given = rows();
  for (Observation& row : given) {
    row.peak_memory_bytes = 2e9 + 3e7 * row.at.local_batch;
    row.allocated_bytes.reset();
  }
  const auto memory = calibrate_observations(given, "synthetic").workloads.at(0).memory;
  ASSERT_TRUE(memory.has_value());
  EXPECT_NEAR(memory->fixed.value(), 2e9, 1);
  EXPECT_NEAR(memory->per_sample.value(), 3e7, 1e-3);
}

}  // namespace
}  // namespace forerun
