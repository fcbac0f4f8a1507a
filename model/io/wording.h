// Numbers in words, as tables, reasons and advice write them.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "model/units.h"

namespace forerun {

/// What snprintf makes of `pattern`.
template <class... Args>
std::string formatted(const char* pattern, Args... args) {
  std::string out(std::snprintf(nullptr, 0, pattern, args...), '\0');
  std::snprintf(out.data(), out.size() + 1, pattern, args...);
  return out;
}

/// `1 GPU`, `2 GPUs`, `5 samples`
std::string count(long n, const std::string& noun);
/// 0.853 to `85 %`
std::string percent(double share);
/// `%.*f`
std::string fixed(double value, int digits);
/// `1.87` times, `44.6` times: two decimals, fewer from ten on.
std::string factor(double value);
/// 2 4 5 6 8 to `2, 4-6 and 8`; `numbers` ascend.
std::string in_runs(const std::vector<int>& numbers);
/// Three significant digits without an exponent: `0.0123`, `1.23`, `12.3`, `1234`.
std::string significant(double value);
/// `790-840 ms`: both ends in the unit that suits the upper one.
std::string format_interval(Seconds<> low, Seconds<> high);
/// Breaks `text`, which starts at column `indent`, at spaces so that no line goes beyond `width`;
/// later lines start at the same column.
std::string wrap(const std::string& text, size_t width, size_t indent);

}  // namespace forerun
