#include "model/memory.h"

#include "tests/model/laws.h"

namespace forerun {
namespace {

// ZeRO (2020), section 3.1, in float32: weights, gradients, and two moments for Adam.
TEST(ModelStateBytes, OfResnet50) {
  EXPECT_DOUBLE_EQ(model_state_bytes(25557032, 0).value(), 25557032 * 8.0);
  EXPECT_DOUBLE_EQ(model_state_bytes(25557032, 1).value(), 25557032 * 12.0);
  EXPECT_DOUBLE_EQ(model_state_bytes(25557032, 2).value(), 25557032 * 16.0);
}

TEST(MemoryModel, PeakByHand) {
  const MemoryModel memory{1_GB, BytesPerSample<>(50e6), 32};
  EXPECT_DOUBLE_EQ(memory.peak(Samples<>(20)).value(), 2e9);
}

TEST(LargestBatch, ByHand) {
  const MemoryModel memory{1_GB, BytesPerSample<>(50e6), 32};
  EXPECT_EQ(largest_batch(memory, 2_GB), 20);
  EXPECT_EQ(largest_batch(memory, Bytes<>(2e9 - 1)), 19);
}

TEST(LargestBatch, IsZeroWhereNotEvenOneSampleFits) {
  const MemoryModel memory{1_GB, BytesPerSample<>(50e6), 32};
  EXPECT_EQ(largest_batch(memory, 1_GB), 0);
  EXPECT_EQ(largest_batch(memory, 1_MB), 0);
}

TEST(LargestBatch, IsNoLimitWhereSamplesNeedNothing) {
  EXPECT_GT(largest_batch({1_GB, BytesPerSample<>(0), 1}, 2_GB), 1'000'000);
  EXPECT_EQ(largest_batch({1_GB, BytesPerSample<>(0), 1}, 1_MB), 0);
}

RC_GTEST_PROP(LargestBatchLaw, FitsAndOneMoreDoesNot, ()) {
  const MemoryModel memory{Bytes<>(log_uniform(6, 10)), BytesPerSample<>(log_uniform(3, 9)), 1};
  const Bytes<> capacity(log_uniform(7, 11));
  const long batch = largest_batch(memory, capacity);
  const double slack = 1e-9 * capacity.value();
  if (batch > 0) {
    RC_ASSERT(memory.peak(Samples<>(static_cast<double>(batch))).value() <=
              capacity.value() + slack);
  }
  RC_ASSERT(memory.peak(Samples<>(static_cast<double>(batch + 1))).value() >
            capacity.value() - slack);
}

}  // namespace
}  // namespace forerun
