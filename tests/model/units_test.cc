#include "model/units.h"

#include <gtest/gtest.h>

#include "model/collective.h"

namespace forerun {
namespace {

template <class A, class B>
concept Addable = requires(A a, B b) {
  a + b;
};
template <class A, class B>
concept Comparable = requires(A a, B b) {
  a < b;
};
template <class A>
concept PlusAssignable = requires(A a, double b) {
  a += b;
};
template <class L, class S>
concept Reducible = requires(L link, S size) {
  ring_allreduce_time(link, size, 2);
};

// Units that do not mix do not compile.
static_assert(Addable<Seconds<>, Seconds<>>);
static_assert(!Addable<Seconds<>, Bytes<>>);
static_assert(!Addable<Seconds<>, double>);
static_assert(!Addable<Samples<>, Bytes<>>);
static_assert(Comparable<Bytes<>, Bytes<>>);
static_assert(!Comparable<Seconds<>, Bytes<>>);
static_assert(!Comparable<Seconds<>, double>);
static_assert(!PlusAssignable<Seconds<>>);
static_assert(!std::is_convertible_v<double, Seconds<>>);
static_assert(!std::is_convertible_v<Seconds<>, double>);
static_assert(!std::is_convertible_v<Seconds<>, Bytes<>>);
static_assert(!std::is_convertible_v<Seconds<float>, Seconds<double>>);
static_assert(Reducible<Link<>, Bytes<>>);
static_assert(!Reducible<Link<>, Samples<>>);
static_assert(!Reducible<Link<>, Seconds<>>);

// Dimensions of products and quotients.
static_assert(std::is_same_v<decltype(Bytes<>(1) * SecondsPerByte<>(1)), Seconds<>>);
static_assert(std::is_same_v<decltype(Bytes<>(1) / Seconds<>(1)), BytesPerSecond<>>);
static_assert(std::is_same_v<decltype(SecondsPerSample<>(1) * Samples<>(1)), Seconds<>>);
static_assert(std::is_same_v<decltype(BytesPerSample<>(1) * Samples<>(1)), Bytes<>>);
static_assert(std::is_same_v<decltype(Seconds<>(1) / Seconds<>(1)), double>);
static_assert(std::is_same_v<decltype(SecondsPerByte<>(1) * BytesPerSecond<>(1)), double>);

TEST(Units, LiteralsAreInSecondsAndBytes) {
  EXPECT_DOUBLE_EQ((1.5_s).value(), 1.5);
  EXPECT_DOUBLE_EQ((2_s).value(), 2);
  EXPECT_DOUBLE_EQ((250_ms).value(), 0.25);
  EXPECT_DOUBLE_EQ((2.5_ms).value(), 2.5e-3);
  EXPECT_DOUBLE_EQ((10_us).value(), 10e-6);
  EXPECT_DOUBLE_EQ((7_B).value(), 7);
  EXPECT_DOUBLE_EQ((100_MB).value(), 1e8);
  EXPECT_DOUBLE_EQ((1_GB).value(), 1e9);
  EXPECT_DOUBLE_EQ((4_KiB).value(), 4096);
  EXPECT_DOUBLE_EQ((25_MiB).value(), 26214400);
}

TEST(Units, ArithmeticIsThatOfNumbers) {
  Seconds<> t = 3_s;
  t += 1_s;
  t -= 0.5_s;
  EXPECT_EQ(t, 3.5_s);
  EXPECT_EQ(t + 0.5_s, 4_s);
  EXPECT_EQ(t - 0.5_s, 3_s);
  EXPECT_EQ(t * 2.0, 7_s);
  EXPECT_EQ(2.0 * t, 7_s);
  EXPECT_EQ(t / 2.0, 1.75_s);
  EXPECT_DOUBLE_EQ(t / 7_s, 0.5);
  EXPECT_TRUE(1_s < 2_s && 2_s > 1_s && 1_s <= 1_s && 1_s >= 1_s);
  EXPECT_EQ(Seconds<>(), 0_s);
}

}  // namespace
}  // namespace forerun
