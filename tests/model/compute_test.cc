#include "model/compute.h"

#include "tests/model/laws.h"

namespace forerun {
namespace {

TEST(CurveShape, IsOneWhereNothingWasMeasured) {
  EXPECT_EQ(CurveShape().at(1), 1);
  EXPECT_EQ(CurveShape().at(4096), 1);
}

TEST(CurveShape, IsExactAtItsPointsAndConstantOutside) {
  const CurveShape shape{{std::log(4), std::log(16)}, {std::log(0.9), std::log(1.2)}};
  EXPECT_NEAR(shape.at(4), 0.9, 1e-12);
  EXPECT_NEAR(shape.at(16), 1.2, 1e-12);
  EXPECT_NEAR(shape.at(1), 0.9, 1e-12);
  EXPECT_NEAR(shape.at(1000), 1.2, 1e-12);
}

TEST(CurveShape, IsLogLinearBetween) {  // half-way from 4 to 16 in log(batch) is 8
  const CurveShape shape{{std::log(4), std::log(16)}, {std::log(0.9), std::log(1.2)}};
  EXPECT_NEAR(shape.at(8), std::sqrt(0.9 * 1.2), 1e-12);
}

TEST(CurveShape, OnePointIsAFactor) {
  const CurveShape shape{{std::log(8)}, {std::log(1.1)}};
  for (const double batch : {1, 8, 64}) EXPECT_NEAR(shape.at(batch), 1.1, 1e-12);
}

TEST(ComputeCurve, ByHand) {  // 5 ms + 32 * 2 ms, a tenth more
  ComputeCurve<> curve{5_ms, SecondsPerSample<>(2e-3), {}};
  EXPECT_NEAR(curve.time(Samples<>(32)).value(), 0.069, 1e-12);
  curve.shape = {{0}, {std::log(1.1)}};
  EXPECT_NEAR(curve.time(Samples<>(32)).value(), 0.0759, 1e-12);
}

RC_GTEST_PROP(CurveShapeLaw, StaysWithinItsPoints, ()) {
  CurveShape shape;
  double low = 1e9, high = 0, at = 0;
  for (int i = between(1, 8); i > 0; --i) {
    shape.log_batch.push_back(at += log_uniform(-2, 1));
    shape.log_factor.push_back(log_uniform(-3, 0) - 0.1);
    low = std::min(low, std::exp(shape.log_factor.back()));
    high = std::max(high, std::exp(shape.log_factor.back()));
  }
  const double factor = shape.at(log_uniform(0, 5));
  RC_ASSERT(factor >= low * (1 - 1e-12) && factor <= high * (1 + 1e-12));
}

}  // namespace
}  // namespace forerun
