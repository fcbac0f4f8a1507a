#include "predict/objective.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "model/error.h"
#include "model/io/command_line.h"

namespace forerun {
namespace {

using Kind = Objective::Kind;

constexpr const char* kKnown =
    "balanced, fastest, cheapest, efficient[:PERCENT], deadline:TIME, budget:MONEY";

double positive_number(std::string_view text, const std::string& expected) {
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size() || !std::isfinite(value) ||
      value <= 0) {
    throw UsageError("--objective: \"" + std::string(text) + "\" (expected " + expected + ")");
  }
  return value;
}

double efficiency_limit(std::string_view text) {
  const std::string expected = "a percentage above 0 and up to 100, such as efficient:70";
  if (!text.empty() && text.back() == '%') text.remove_suffix(1);
  const double percent = positive_number(text, expected);
  if (percent > 100)
    throw UsageError("--objective: " + std::string(text) + " % (expected " + expected + ")");
  return percent / 100;
}

double deadline(std::string_view text) {
  double seconds = 0;
  try {
    seconds = parse_duration(text).value();
  } catch (const UsageError& error) {
    throw UsageError("--objective deadline:" + std::string(error.what()));
  }
  if (seconds <= 0)
    throw UsageError("--objective deadline:" + std::string(text) + " leaves no time");
  return seconds;
}

/// In the largest unit of which it is a whole number.
std::string deadline_text(double seconds) {
  constexpr std::pair<double, const char*> kUnits[] = {{86400, "d"}, {3600, "h"}, {60, "m"}};
  double count = seconds;
  const char* unit = "s";
  for (const auto& [length, name] : kUnits) {
    if (std::fmod(seconds, length) != 0) continue;
    count = seconds / length;
    unit = name;
    break;
  }
  char out[64];
  std::snprintf(out, sizeof out, "deadline:%g%s", count, unit);
  return out;
}

}  // namespace

std::string Objective::text() const {
  char out[64];
  switch (kind) {
    case Kind::kBalanced:
      return "balanced";
    case Kind::kFastest:
      return "fastest";
    case Kind::kCheapest:
      return "cheapest";
    case Kind::kEfficient:
      std::snprintf(out, sizeof out, "efficient:%g", limit * 100);
      return out;
    case Kind::kDeadline:
      return deadline_text(limit);
    case Kind::kBudget:
      std::snprintf(out, sizeof out, "budget:%g", limit);
      return out;
  }
  return "";
}

Objective parse_objective(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const bool has_value = colon != std::string_view::npos;
  const std::string_view value = has_value ? text.substr(colon + 1) : std::string_view();
  if (name == "efficient") {
    return {Kind::kEfficient, has_value ? efficiency_limit(value) : 0.7};
  }
  if (name == "deadline") return {Kind::kDeadline, deadline(value)};
  if (name == "budget")
    return {Kind::kBudget, positive_number(value, "an amount, such as budget:250")};
  if (!has_value) {
    if (name == "balanced") return {Kind::kBalanced, 0.5};
    if (name == "fastest") return {Kind::kFastest, 0};
    if (name == "cheapest") return {Kind::kCheapest, 0};
  }
  throw UsageError("--objective: \"" + std::string(text) + "\" (expected one of " + kKnown + ")");
}

}  // namespace forerun
