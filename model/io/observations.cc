#include "model/io/observations.h"

#include <csv.h>

#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <utility>

#include "model/error.h"
#include "model/io/atomic_file.h"

namespace forerun {
namespace {

struct Row {
  int line = 0;
  std::vector<std::string> fields;
};

/// A CSV file as rows with their line numbers; blank lines and lines that start with # are skipped.
/// libcsv unquotes.
std::vector<Row> read_rows(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  struct State {
    std::vector<Row> rows;
    Row row;
  } state;
  csv_parser parser;
  if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0) {
    throw Error("csv parser: out of memory");
  }
  int line = 0;
  const auto feed = [&](const char* data, size_t size) {
    const auto on_field = [](void* field, size_t length, void* s) {
      static_cast<State*>(s)->row.fields.emplace_back(static_cast<const char*>(field), length);
    };
    const auto on_row = [](int, void* s) {
      auto& st = *static_cast<State*>(s);
      st.rows.push_back(std::exchange(st.row, {}));
    };
    const bool whole = data == nullptr
                           ? csv_fini(&parser, on_field, on_row, &state) == 0
                           : csv_parse(&parser, data, size, on_field, on_row, &state) == size;
    if (!whole) {
      const std::string reason = csv_error(&parser) == CSV_EPARSE
                                     ? "a quote that is not closed, or one inside a bare field"
                                     : csv_strerror(csv_error(&parser));
      csv_free(&parser);
      throw Error(path.string() + ":" + std::to_string(line) + ": not valid CSV (" + reason + ")");
    }
  };
  const size_t start = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;  // what spreadsheets put first
  for (size_t at = start; at < text.size();) {
    ++line;
    const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    if (text[at] != '#' || !state.row.fields.empty()) {
      const size_t before = state.rows.size();
      feed(text.data() + at, end - at);
      if (state.rows.size() > before) state.rows.back().line = line;
    }
    at = end;
  }
  const size_t before = state.rows.size();
  feed(nullptr, 0);
  if (state.rows.size() > before) state.rows.back().line = line;
  csv_free(&parser);
  return std::move(state.rows);
}

/// One row's fields by column name; complaints carry file, line and field.
class RowReader {
 public:
  RowReader(const std::string& file, const std::map<std::string, size_t>& columns, const Row& row)
      : file_(file), columns_(columns), row_(row) {}

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(file_ + ":" + std::to_string(row_.line) + ": " + problem);
  }

  std::string text(const std::string& column) const {
    const auto found = columns_.find(column);
    return found == columns_.end() ? "" : row_.fields[found->second];
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

  int whole(const std::string& column, std::optional<int> fallback = std::nullopt) const {
    const auto value = number(column);
    if (!value && fallback) return *fallback;
    if (!value) fail(column + " is empty");
    if (*value < 1 || *value != std::floor(*value) || *value > 1e9) {
      fail(column + " = " + text(column) + " (must be a whole number from 1 to 1000000000)");
    }
    return static_cast<int>(*value);
  }

 private:
  const std::string& file_;
  const std::map<std::string, size_t>& columns_;
  const Row& row_;
};

Placement read_placement(const RowReader& row) {
  const int nodes = row.whole("nodes");
  const int gpus = row.whole("gpus");
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
  o.grad_bytes = row.positive("grad_bytes");
  if (!with_step_time) {
    o.step_time_s = std::numeric_limits<double>::quiet_NaN();
    return o;
  }
  const auto step_time = row.positive("step_time_s");
  if (!step_time) row.fail("step_time_s is empty");
  o.step_time_s = *step_time;
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

std::vector<Observation> load(const std::filesystem::path& path, bool with_step_time) {
  const std::string file = path.string();
  const std::vector<Row> rows = read_rows(path);
  if (rows.empty()) throw Error(file + ": is empty (expected a header line and rows)");
  const std::string header = file + ":" + std::to_string(rows.front().line) + ": ";
  std::map<std::string, size_t> columns;
  for (size_t i = 0; i < rows.front().fields.size(); ++i) {
    if (!columns.emplace(rows.front().fields[i], i).second) {
      throw Error(header + "column " + rows.front().fields[i] + " stands twice");
    }
  }
  std::vector<std::string> required = {"model", "nodes", "gpus", "local_batch"};
  if (with_step_time) required.emplace_back("step_time_s");
  for (const std::string& name : required) {
    if (!columns.contains(name)) throw Error(header + "column " + name + " is missing");
  }
  if (rows.size() == 1) throw Error(file + ": has a header but no rows");
  std::vector<Observation> out;
  out.reserve(rows.size() - 1);
  for (size_t i = 1; i < rows.size(); ++i) {
    const RowReader row(file, columns, rows[i]);
    if (rows[i].fields.size() != rows.front().fields.size()) {
      row.fail("has " + std::to_string(rows[i].fields.size()) + " fields (the header has " +
               std::to_string(rows.front().fields.size()) + "; is the row truncated?)");
    }
    out.push_back(read_observation(row, with_step_time));
    out.back().line = rows[i].line;
  }
  return out;
}

}  // namespace

std::vector<Observation> load_observations(const std::filesystem::path& path) {
  return load(path, true);
}
std::vector<Observation> load_points(const std::filesystem::path& path) {
  return load(path, false);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

}  // namespace forerun
