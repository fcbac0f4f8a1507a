#include "model/io/observations.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "model/error.h"
#include "model/io/json_reader.h"

namespace forerun {
namespace {

// Numbers beyond are mistakes, and no fit survives their squares.
constexpr double kLeast = 1e-18, kMost = 1e18;
constexpr double kShortestTime_s = 1e-9, kLongestTime_s = 1e9;  // of a step
constexpr int kMostDevices = 1'000'000;

/// Where a column stands, by name. Throws Error for one that stands twice, if it is asked for.
class Columns {
 public:
  explicit Columns(const CsvTable& table)
      : where_(table.file + ":" + std::to_string(table.header.line) + ": ") {
    const std::vector<std::string>& names = table.header.fields;
    for (size_t i = 0; i < names.size(); ++i) {
      if (!index_.emplace(names[i], i).second) index_[names[i]] = kTwice;
    }
    if (names.size() == 1 && names[0].find_first_of(";\t") != std::string::npos) {
      throw Error(where_ + "is one column (expected commas between columns)");
    }
  }

  /// npos where there is no such column.
  size_t find(const std::string& name) const {
    const auto found = index_.find(name);
    if (found == index_.end()) return std::string::npos;
    if (found->second == kTwice) throw Error(where_ + "column " + name + " stands twice");
    return found->second;
  }

  void require(const std::string& name) const {
    if (find(name) == std::string::npos) throw Error(where_ + "column " + name + " is missing");
  }

 private:
  static constexpr size_t kTwice = std::string::npos - 1;
  std::string where_;
  std::map<std::string, size_t> index_;
};

/// One row's fields by column name; complaints carry file, line and field.
class RowReader {
 public:
  RowReader(const std::string& file, const Columns& columns, const CsvRow& row)
      : file_(file), columns_(columns), row_(row) {}

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(file_ + ":" + std::to_string(row_.line) + ": " + problem);
  }

  /// Empty where there is no such column.
  std::string text(const std::string& column) const {
    const size_t at = columns_.find(column);
    if (at == std::string::npos) return "";
    if (!fits_json(row_.fields[at])) fail(column + " is not UTF-8 text (convert the file)");
    return row_.fields[at];
  }

  std::string required_text(const std::string& column) const {
    const std::string value = text(column);
    if (value.empty()) fail(column + " is empty");
    return value;
  }

  std::optional<double> number(const std::string& column) const {
    const std::string value = text(column);
    if (value.empty()) return std::nullopt;
    double number = 0;
    const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || stop != value.data() + value.size()) {
      fail(column + " = \"" + value + "\" (expected a number)");
    }
    if (!std::isfinite(number)) fail(column + " = " + value + " (must be finite)");
    if (number != 0 && (std::fabs(number) < kLeast || std::fabs(number) > kMost)) {
      fail(column + " = " + value + " (must be 0 or from 1e-18 to 1e18)");
    }
    return number;
  }

  std::optional<double> non_negative(const std::string& column) const {
    const auto value = number(column);
    if (value && *value < 0) fail(column + " = " + text(column) + " (must be >= 0)");
    return value;
  }

  std::optional<double> positive(const std::string& column) const {
    const auto value = number(column);
    if (value && *value <= 0) fail(column + " = " + text(column) + " (must be > 0)");
    return value;
  }

  double step_time() const {
    const auto value = positive("step_time_s");
    if (!value) fail("step_time_s is empty");
    if (*value < kShortestTime_s || *value > kLongestTime_s) {
      fail("step_time_s = " + text("step_time_s") + " (must be from 1e-9 to 1e9 seconds)");
    }
    return *value;
  }

  int whole(const std::string& column, std::optional<int> fallback = std::nullopt,
            int most = 1'000'000'000) const {
    const auto value = number(column);
    if (!value && fallback) return *fallback;
    if (!value) fail(column + " is empty");
    if (*value < 1 || *value != std::floor(*value) || *value > most) {
      fail(column + " = " + text(column) + " (must be a whole number from 1 to " +
           std::to_string(most) + ")");
    }
    return static_cast<int>(*value);
  }

 private:
  const std::string& file_;
  const Columns& columns_;
  const CsvRow& row_;
};

Placement read_placement(const RowReader& row) {
  const int nodes = row.whole("nodes", std::nullopt, kMostDevices);
  const int gpus = row.whole("gpus", std::nullopt, kMostDevices);
  if (gpus < nodes) {
    row.fail("gpus = " + std::to_string(gpus) + " on nodes = " + std::to_string(nodes) +
             " (every node needs at least one)");
  }
  const std::string text = row.text("placement");
  if (text.empty()) return Placement::even(nodes, gpus);
  Placement placement;
  try {
    // A node with ten GPUs or more, written alone: "16" is one node of 16, not two of 1 and 6.
    placement =
        nodes == 1 && text == std::to_string(gpus) ? Placement({gpus}) : Placement::parse(text);
  } catch (const Error& error) {
    row.fail(error.what());
  }
  if (placement.nodes() != nodes || placement.world_size() != gpus) {
    row.fail("placement " + text + " is " + std::to_string(placement.world_size()) + " GPUs on " +
             std::to_string(placement.nodes()) + " nodes, but gpus = " + std::to_string(gpus) +
             " and nodes = " + std::to_string(nodes));
  }
  return placement;
}

Observation read_observation(const RowReader& row, bool with_step_time) {
  Observation o;
  o.cluster = row.text("cluster");
  o.model = row.required_text("model");
  o.at.placement = read_placement(row);
  o.at.local_batch = row.whole("local_batch");
  o.at.accumulation = row.whole("accumulation", 1);
  if (const std::string text = row.text("strategy"); !text.empty()) o.at.strategy = text;
  if (const std::string text = row.text("precision"); !text.empty()) o.at.precision = text;
  if (!with_step_time) {
    o.step_time_s = std::numeric_limits<double>::quiet_NaN();
    return o;
  }
  o.step_time_s = row.step_time();
  o.grad_bytes = row.positive("grad_bytes");
  if (const std::string role = row.text("role"); !role.empty()) o.role = role;
  if (o.role != "fit" && o.role != "test")
    row.fail("role = \"" + o.role + "\" (expected fit or test)");
  o.steps = row.positive("steps").value_or(16);
  o.stddev_s = row.non_negative("stddev_s");
  o.exposed_comm_s = row.non_negative("exposed_comm_s");
  o.forward_s = row.positive("forward_s");
  o.backward_s = row.positive("backward_s");
  o.optimizer_s = row.non_negative("optimizer_s");
  o.peak_memory_bytes = row.positive("peak_memory_bytes");
  return o;
}

std::vector<Observation> read_rows(const CsvTable& table, bool with_step_time) {
  const Columns columns(table);
  for (const char* name : {"model", "nodes", "gpus", "local_batch"}) columns.require(name);
  if (with_step_time) columns.require("step_time_s");
  std::vector<Observation> out;
  out.reserve(table.rows.size());
  for (const CsvRow& row : table.rows) {
    out.push_back(read_observation(RowReader(table.file, columns, row), with_step_time));
  }
  return out;
}

}  // namespace

std::vector<Observation> load_observations(const std::filesystem::path& path) {
  return read_rows(read_csv(path), true);
}

std::vector<Observation> read_points(const CsvTable& table) { return read_rows(table, false); }

}  // namespace forerun
