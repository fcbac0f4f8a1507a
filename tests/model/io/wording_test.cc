#include "model/io/wording.h"

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(Wording, ThreeDigits) {
  EXPECT_EQ(significant(1234.4), "1234");
  EXPECT_EQ(significant(12.34), "12.3");
  EXPECT_EQ(significant(0.01234), "0.0123");
  EXPECT_EQ(significant(9.996), "10.0");
  EXPECT_EQ(format_interval(Seconds<>(0.79), Seconds<>(0.84)), "790-840 ms");
  EXPECT_EQ(format_interval(Seconds<>(0.95), Seconds<>(1.25)), "0.950-1.25 s");
  EXPECT_EQ(count(1, "GPU"), "1 GPU");
  EXPECT_EQ(count(2, "GPU"), "2 GPUs");
}

TEST(Wording, RunsOfNumbers) {
  EXPECT_EQ(in_runs({3}), "3");
  EXPECT_EQ(in_runs({2, 3}), "2 and 3");
  EXPECT_EQ(in_runs({2, 4, 5, 6, 8}), "2, 4-6 and 8");
  EXPECT_EQ(in_runs({1, 2, 3, 4}), "1-4");
}

TEST(Wording, Factors) {
  EXPECT_EQ(factor(0.689), "0.69");
  EXPECT_EQ(factor(3.7123), "3.71");
  EXPECT_EQ(factor(9.996), "10.0");
  EXPECT_EQ(factor(44.55), "44.5");
}

TEST(Wording, WrapsUnderItself) {
  EXPECT_EQ(wrap("aa bb cc", 7, 2), "aa bb\n  cc");
  EXPECT_EQ(wrap("longer-than-the-line x", 10, 2), "longer-than-the-line\n  x");
}

}  // namespace
}  // namespace forerun
