// Numbers in words, as the table, the reasons and the advice write them.
#pragma once

#include <string>

#include "model/units.h"

namespace forerun {

/// `1 GPU`, `2 GPUs`, `5 samples`
std::string count(long n, const std::string& noun);
/// 0.853 to `85 %`
std::string percent(double share);
/// `%.*f`
std::string fixed(double value, int digits);
/// Three significant digits without an exponent: `0.0123`, `1.23`, `12.3`, `1234`.
std::string significant(double value);
/// `790-840 ms`: both ends in the unit that suits the upper one.
std::string format_interval(Seconds<> low, Seconds<> high);
/// Breaks `text`, which starts at column `indent`, at spaces so that no line goes beyond `width`;
/// later lines start at the same column.
std::string wrap(const std::string& text, size_t width, size_t indent);

}  // namespace forerun
