// Units as types: a quantity carries its dimensions (time, data, samples) in its type, so that
// seconds and bytes do not mix, and `alpha + size * beta` compiles only when it is a time.
//
// The number inside is a template parameter: `double` predicts, `ceres::Jet` fits. Use `.value()`
// only inside a formula or at a library's door; it is in seconds, bytes, samples.
#pragma once

#include <type_traits>

namespace forerun {

/// A number from which the differentiable number T (a ceres::Jet) can be made.
template <class U, class T>
concept PlainNumberFor =
    !std::is_same_v<U, T> && std::is_convertible_v<U, T> && !std::is_arithmetic_v<T>;

/// A number of s^Time * B^Data * sample^Samples.
template <class T, int Time, int Data, int Samples>
class Quantity {
 public:
  constexpr Quantity() : value_(T(0)) {}
  constexpr explicit Quantity(T value) : value_(value) {}
  /// A plain number becomes a differentiable one, never the other way round.
  template <PlainNumberFor<T> U>
  constexpr Quantity(Quantity<U, Time, Data, Samples> other)  // NOLINT(google-explicit-constructor)
      : value_(T(other.value())) {}

  constexpr const T& value() const { return value_; }

  constexpr Quantity& operator+=(const Quantity& b) {
    value_ += b.value_;
    return *this;
  }
  constexpr Quantity& operator-=(const Quantity& b) {
    value_ -= b.value_;
    return *this;
  }
  friend constexpr Quantity operator+(const Quantity& a, const Quantity& b) {
    return Quantity(a.value_ + b.value_);
  }
  friend constexpr Quantity operator-(const Quantity& a, const Quantity& b) {
    return Quantity(a.value_ - b.value_);
  }
  friend constexpr Quantity operator*(const Quantity& a, const T& k) {
    return Quantity(a.value_ * k);
  }
  friend constexpr Quantity operator*(const T& k, const Quantity& a) {
    return Quantity(k * a.value_);
  }
  friend constexpr Quantity operator/(const Quantity& a, const T& k) {
    return Quantity(a.value_ / k);
  }
  friend constexpr bool operator<(const Quantity& a, const Quantity& b) {
    return a.value_ < b.value_;
  }
  friend constexpr bool operator>(const Quantity& a, const Quantity& b) { return b < a; }
  friend constexpr bool operator<=(const Quantity& a, const Quantity& b) { return !(b < a); }
  friend constexpr bool operator>=(const Quantity& a, const Quantity& b) { return !(a < b); }
  friend constexpr bool operator==(const Quantity& a, const Quantity& b) {
    return a.value_ == b.value_;
  }

 private:
  T value_;
};

/// Dimensions add up; a product or quotient without any is a plain number.
template <class T, int A, int B, int C, int X, int Y, int Z>
constexpr auto operator*(const Quantity<T, A, B, C>& a, const Quantity<T, X, Y, Z>& b) {
  if constexpr (A + X == 0 && B + Y == 0 && C + Z == 0) {
    return T(a.value() * b.value());
  } else {
    return Quantity<T, A + X, B + Y, C + Z>(a.value() * b.value());
  }
}
template <class T, int A, int B, int C, int X, int Y, int Z>
constexpr auto operator/(const Quantity<T, A, B, C>& a, const Quantity<T, X, Y, Z>& b) {
  if constexpr (A == X && B == Y && C == Z) {
    return T(a.value() / b.value());
  } else {
    return Quantity<T, A - X, B - Y, C - Z>(a.value() / b.value());
  }
}

template <class T = double>
using Seconds = Quantity<T, 1, 0, 0>;
template <class T = double>
using Bytes = Quantity<T, 0, 1, 0>;
template <class T = double>
using Samples = Quantity<T, 0, 0, 1>;
template <class T = double>
using SecondsPerByte = Quantity<T, 1, -1, 0>;
template <class T = double>
using SecondsPerSample = Quantity<T, 1, 0, -1>;
template <class T = double>
using BytesPerSecond = Quantity<T, -1, 1, 0>;
template <class T = double>
using BytesPerSample = Quantity<T, 0, 1, -1>;
template <class T = double>
using SamplesPerSecond = Quantity<T, -1, 0, 1>;

inline namespace literals {
constexpr Seconds<> operator""_s(long double v) { return Seconds<>(static_cast<double>(v)); }
constexpr Seconds<> operator""_s(unsigned long long v) { return Seconds<>(static_cast<double>(v)); }
constexpr Seconds<> operator""_ms(long double v) {
  return Seconds<>(static_cast<double>(v) * 1e-3);
}
constexpr Seconds<> operator""_ms(unsigned long long v) {
  return Seconds<>(static_cast<double>(v) * 1e-3);
}
constexpr Seconds<> operator""_us(long double v) {
  return Seconds<>(static_cast<double>(v) * 1e-6);
}
constexpr Seconds<> operator""_us(unsigned long long v) {
  return Seconds<>(static_cast<double>(v) * 1e-6);
}
constexpr Bytes<> operator""_B(unsigned long long v) { return Bytes<>(static_cast<double>(v)); }
constexpr Bytes<> operator""_MB(unsigned long long v) {
  return Bytes<>(static_cast<double>(v) * 1e6);
}
constexpr Bytes<> operator""_GB(unsigned long long v) {
  return Bytes<>(static_cast<double>(v) * 1e9);
}
constexpr Bytes<> operator""_KiB(unsigned long long v) {
  return Bytes<>(static_cast<double>(v) * 1024);
}
constexpr Bytes<> operator""_MiB(unsigned long long v) {
  return Bytes<>(static_cast<double>(v) * 1048576);
}
}  // namespace literals

}  // namespace forerun
