#include "model/io/command_line.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <set>
#include <utility>

#include "model/error.h"

namespace forerun {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};

/// A number followed by one of `suffixes`. Throws UsageError with `expected`.
double parse_with_suffix(std::string_view text, const std::vector<Suffix>& suffixes,
                         const std::string& expected) {
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view suffix(stop, text.data() + text.size() - stop);
  if (error == std::errc() && std::isfinite(value) && value >= 0) {
    for (const Suffix& s : suffixes) {
      if (suffix == s.text) return value * s.factor;
    }
  }
  throw UsageError("\"" + std::string(text) + "\" (expected " + expected + ")");
}

std::string three_digits(double value, const char* unit) {
  char out[64];
  std::snprintf(out, sizeof out,
                value < 9.995   ? "%.2f %s"
                : value < 99.95 ? "%.1f %s"
                                : "%.0f %s",
                value, unit);
  return out;
}

/// Levenshtein distance.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::vector<int> parse_int_list(std::string_view text) {
  std::set<int> values;
  const auto fail = [&] {
    throw UsageError("\"" + std::string(text) +
                     "\" (expected a list of whole numbers >= 1 such as 1,2,4-16)");
  };
  const auto read = [&](const char*& at) {
    int value = 0;
    const auto [stop, error] = std::from_chars(at, text.data() + text.size(), value);
    if (error != std::errc() || value < 1 || value > 1'000'000'000) fail();
    at = stop;
    return value;
  };
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    const int first = read(at);
    int last = first;
    if (at < end && *at == '-') last = read(++at);
    if (last < first || last - first > 1'000'000) fail();
    for (int v = first; v <= last; ++v) values.insert(v);
    if (at == end) return {values.begin(), values.end()};
    if (*at++ != ',') fail();
  }
}

std::vector<std::string> parse_name_list(std::string_view text) {
  std::vector<std::string> names;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    names.emplace_back(text.substr(at, end - at));
    if (names.back().empty())
      throw UsageError("\"" + std::string(text) + "\" (expected names separated by commas)");
    at = end + 1;
  }
  return names;
}

Bytes<> parse_size(std::string_view text) {
  return Bytes<>(parse_with_suffix(text,
                                   {{"", 1},
                                    {"B", 1},
                                    {"kB", 1e3},
                                    {"KB", 1e3},
                                    {"MB", 1e6},
                                    {"GB", 1e9},
                                    {"TB", 1e12},
                                    {"KiB", 1024},
                                    {"MiB", 1048576},
                                    {"GiB", 1073741824}},
                                   "a size such as 25MiB or 1GB"));
}

Seconds<> parse_duration(std::string_view text) {
  return Seconds<>(parse_with_suffix(
      text, {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}},
      "a time with its unit such as 90s, 5m or 2h"));
}

BytesPerSecond<> parse_rate(std::string_view text) {
  return BytesPerSecond<>(parse_with_suffix(text,
                                            {{"Mbit/s", 1e6 / 8},
                                             {"Gbit/s", 1e9 / 8},
                                             {"MB/s", 1e6},
                                             {"GB/s", 1e9},
                                             {"MiB/s", 1048576},
                                             {"GiB/s", 1073741824}},
                                            "a rate such as 100Gbit/s or 12.5GB/s"));
}

std::string format_duration(Seconds<> time) {
  const double s = time.value();
  if (s < 1e-3) return three_digits(s * 1e6, "us");
  if (s < 1) return three_digits(s * 1e3, "ms");
  if (s < 120) return three_digits(s, "s");
  char out[64];
  const long minutes = std::lround(s / 60);
  if (minutes < 120) {
    std::snprintf(out, sizeof out, "%.1f min", s / 60);
  } else if (minutes < 48 * 60) {
    std::snprintf(out, sizeof out, "%ld h %02ld min", minutes / 60, minutes % 60);
  } else {
    std::snprintf(out, sizeof out, "%.1f days", s / 86400);
  }
  return out;
}

std::string format_bytes(Bytes<> size) {
  const double b = size.value();
  if (b < 1e3) return three_digits(b, "B");
  if (b < 1e6) return three_digits(b / 1e3, "kB");
  if (b < 1e9) return three_digits(b / 1e6, "MB");
  return three_digits(b / 1e9, "GB");
}

std::vector<std::string> near_names(const std::string& name,
                                    const std::vector<std::string>& names) {
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& candidate : names) {
    const size_t distance = edit_distance(name, candidate);
    const bool same_start = name.size() >= 3 && candidate.compare(0, 3, name, 0, 3) == 0;
    const bool similar =
        distance <= 3 && 3 * distance <= 2 * std::max(name.size(), candidate.size());
    if (similar || same_start) near.emplace_back(distance, candidate);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> out;
  for (auto& [distance, candidate] : near) out.push_back(std::move(candidate));
  return out;
}

Store::Store(const std::string& argument) {
  const char* home = std::getenv("FORERUN_HOME");
  folder = !argument.empty() ? argument : home != nullptr && *home != '\0' ? home : "forerun";
}

void require_stdout() {
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw Error("stdout: cannot be written (disk full, or the reader is gone?)");
  }
}

int run_program(const std::string& name, const std::function<int()>& body) {
  try {
    const int code = body();
    require_stdout();
    return code;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
    return kExitFailed;
  }
}

}  // namespace forerun
