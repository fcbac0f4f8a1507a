// What all four programs read on their command lines alike: lists, sizes, times, rates, and the
// store.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/units.h"

namespace forerun {

/// `1,2,4-16` to 1 2 4 5 ... 16, ascending without repeats. Throws UsageError on anything else, and
/// on values < 1.
std::vector<int> parse_int_list(std::string_view text);
/// `a,b` to names. Throws UsageError on an empty one.
std::vector<std::string> parse_name_list(std::string_view text);
/// `25MiB`, `1GB`, `4096` (bytes). Throws UsageError.
Bytes<> parse_size(std::string_view text);
/// `90s`, `5m`, `2h`, `250ms`. A bare number is refused: it has no unit. Throws UsageError.
Seconds<> parse_duration(std::string_view text);
/// `100Gbit/s`, `12.5GB/s`. Throws UsageError.
BytesPerSecond<> parse_rate(std::string_view text);

/// `1.2 ms`, `3.4 s`, `2 h 05 min`: three digits, for people.
std::string format_duration(Seconds<> time);
/// `25.6 MB`, `1.2 GB`: decimal, three digits.
std::string format_bytes(Bytes<> size);

/// The candidates within edit distance 3 that share at least half of their letters, or with a
/// common prefix of three, nearest first: "did you mean".
std::vector<std::string> near_names(const std::string& name, const std::vector<std::string>& names);

/// The folder of profile.json, calibration.json, runs/ and report/: the argument, else
/// $FORERUN_HOME, else ./forerun.
struct Store {
  explicit Store(const std::string& argument = "");
  std::filesystem::path folder;
  std::filesystem::path profile() const { return folder / "profile.json"; }
  std::filesystem::path calibration() const { return folder / "calibration.json"; }
  std::filesystem::path runs() const { return folder / "runs"; }
  std::filesystem::path report() const { return folder / "report"; }
};

/// Throws Error if something that was printed on stdout could not be written.
void require_stdout();

/// Runs a program's body for main(): an exception becomes `name: what` on stderr and its exit code,
/// and so does a stdout that cannot be written.
int run_program(const std::string& name, const std::function<int()>& body);

}  // namespace forerun
