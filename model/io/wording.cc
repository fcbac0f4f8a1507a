#include "model/io/wording.h"

#include <cmath>
#include <sstream>

namespace forerun {

std::string count(long n, const std::string& noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

std::string fixed(double value, int digits) { return formatted("%.*f", digits, value); }

std::string percent(double share) { return fixed(share * 100, 0) + " %"; }

std::string factor(double value) { return value < 9.995 ? fixed(value, 2) : significant(value); }

std::string in_runs(const std::vector<int>& numbers) {
  std::vector<std::string> runs;
  for (size_t first = 0; first < numbers.size();) {
    size_t last = first;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (last == first + 1) last = first;  // `4, 5`: a run of two is none
    runs.push_back(std::to_string(numbers[first]));
    if (last > first) runs.back() += "-" + std::to_string(numbers[last]);
    first = last + 1;
  }
  std::string out;
  for (size_t i = 0; i < runs.size(); ++i) {
    out += (i == 0 ? "" : i + 1 == runs.size() ? " and " : ", ") + runs[i];
  }
  return out;
}

std::string significant(double value) {
  if (value == 0 || !std::isfinite(value)) return fixed(value, 0);
  const int before_point = static_cast<int>(std::floor(std::log10(std::fabs(value) * 1.0005))) + 1;
  return fixed(value, std::max(0, 3 - before_point));
}

std::string format_interval(Seconds<> low, Seconds<> high) {
  const double s = high.value();
  const auto in = [&](double factor, const char* unit) {
    return significant(low.value() * factor) + "-" + significant(s * factor) + " " + unit;
  };
  if (s < 1e-3) return in(1e6, "us");
  if (s < 1) return in(1e3, "ms");
  if (s < 120) return in(1, "s");
  if (s < 7200) return in(1.0 / 60, "min");
  if (s < 48 * 3600) return in(1.0 / 3600, "h");
  return in(1.0 / 86400, "days");
}

std::string wrap(const std::string& text, size_t width, size_t indent) {
  std::istringstream words(text);
  std::string out, word;
  size_t column = indent;
  while (words >> word) {
    if (column > indent && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

}  // namespace forerun
