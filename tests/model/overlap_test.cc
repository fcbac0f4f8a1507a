#include "model/overlap.h"

#include "tests/model/laws.h"

namespace forerun {
namespace {

TEST(OverlappedTime, ByHand) {
  EXPECT_NEAR(overlapped_time(3_s, 4_s, 1.0).value(), 7, 1e-12);
  EXPECT_NEAR(overlapped_time(3_s, 4_s, 2.0).value(), 5, 1e-12);  // Pythagoras
}

TEST(OverlappedTime, NothingToOverlapIsExact) {
  EXPECT_EQ(overlapped_time(3_s, 0_s, 2.0), 3_s);
  EXPECT_EQ(overlapped_time(0_s, 4_s, 2.0), 4_s);
  EXPECT_EQ(overlapped_time(0_s, 0_s, 2.0), 0_s);
}

TEST(OverlappedTime, PerfectOverlapIsTheLongerOne) {
  EXPECT_NEAR(overlapped_time(3_s, 4_s, 1e3).value(), 4, 1e-12);
  EXPECT_NEAR(overlapped_time(3_s, 3_s, 1e9).value(), 3, 1e-8);
}

TEST(OverlappedTime, NeitherOverflowsNorVanishes) {
  EXPECT_NEAR(overlapped_time(Seconds<>(1e-300), Seconds<>(1e300), 50.0).value() / 1e300, 1, 1e-12);
  EXPECT_NEAR(overlapped_time(Seconds<>(1e300), Seconds<>(1e299), 50.0).value() / 1e300, 1, 1e-12);
}

RC_GTEST_PROP(OverlapLaw, LiesBetweenTheLongerAndTheSum, ()) {
  const Seconds<> a(log_uniform(-6, 3)), b(log_uniform(-6, 3));
  const double g = 1 + log_uniform(-3, 3);
  const double t = overlapped_time(a, b, g).value();
  RC_ASSERT(t >= std::max(a.value(), b.value()) * (1 - 1e-12));
  RC_ASSERT(t <= (a + b).value() * (1 + 1e-12));
}

RC_GTEST_PROP(OverlapLaw, IsSymmetric, ()) {
  const Seconds<> a(log_uniform(-6, 3)), b(log_uniform(-6, 3));
  const double g = 1 + log_uniform(-3, 3);
  RC_ASSERT(overlapped_time(a, b, g) == overlapped_time(b, a, g));
}

RC_GTEST_PROP(OverlapLaw, IsHomogeneous, ()) {
  const Seconds<> a(log_uniform(-6, 3)), b(log_uniform(-6, 3));
  const double g = 1 + log_uniform(-3, 2), k = log_uniform(-3, 3);
  const double scaled = overlapped_time(a * k, b * k, g).value();
  RC_ASSERT(std::fabs(scaled / (k * overlapped_time(a, b, g).value()) - 1) < 1e-9);
}

RC_GTEST_PROP(OverlapLaw, GrowsWithBothAndFallsWithG, ()) {
  const Seconds<> a(log_uniform(-6, 3)), b(log_uniform(-6, 3));
  const double g = 1 + log_uniform(-3, 2), more = 1 + log_uniform(-3, 1);
  const double t = overlapped_time(a, b, g).value(), slack = 1e-12 * t;
  RC_ASSERT(overlapped_time(a * more, b, g).value() >= t - slack);
  RC_ASSERT(overlapped_time(a, b * more, g).value() >= t - slack);
  RC_ASSERT(overlapped_time(a, b, g * more).value() <= t + slack);
}

}  // namespace
}  // namespace forerun
