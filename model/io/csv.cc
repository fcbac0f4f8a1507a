#include "model/io/csv.h"

#include <csv.h>

#include <algorithm>
#include <utility>

#include "model/error.h"
#include "model/io/atomic_file.h"

namespace forerun {
namespace {

/// libcsv, fed line by line so that complaints can name the line.
class Parser {
 public:
  explicit Parser(std::string file) : file_(std::move(file)) {
    if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0) {
      throw Error("csv parser: out of memory");
    }
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { csv_free(&parser_); }

  std::vector<CsvRow> parse(const std::string& text) {
    const size_t start = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;  // what spreadsheets put first
    for (size_t at = start; at < text.size();) {
      ++line_;
      const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
      const bool comment = text[at] == '#' && row_.fields.empty();
      if (!comment) {
        check(csv_parse(&parser_, text.data() + at, end - at, on_field, on_row, this) == end - at);
      }
      at = end;
    }
    check(csv_fini(&parser_, on_field, on_row, this) == 0);
    return std::move(rows_);
  }

 private:
  static void on_field(void* field, size_t length, void* self) {
    static_cast<Parser*>(self)->row_.fields.emplace_back(static_cast<const char*>(field), length);
  }
  static void on_row(int /*end*/, void* self) {
    auto& parser = *static_cast<Parser*>(self);
    parser.row_.line = parser.line_;
    parser.rows_.push_back(std::exchange(parser.row_, {}));
  }

  void check(bool good) {
    if (good) return;
    const std::string reason = csv_error(&parser_) == CSV_EPARSE
                                   ? "a quote that is not closed, or one inside a bare field"
                                   : csv_strerror(csv_error(&parser_));
    throw Error(file_ + ":" + std::to_string(line_) + ": not valid CSV (" + reason + ")");
  }

  std::string file_;
  csv_parser parser_;
  int line_ = 0;
  CsvRow row_;
  std::vector<CsvRow> rows_;
};

}  // namespace

CsvTable read_csv(const std::filesystem::path& path) {
  CsvTable table;
  table.file = path.string();
  const std::string& file = table.file;
  table.rows = Parser(file).parse(read_file(path));
  if (table.rows.empty()) throw Error(file + ": is empty (expected a header line and rows)");
  table.header = std::move(table.rows.front());
  table.rows.erase(table.rows.begin());
  if (table.rows.empty()) throw Error(file + ": has a header but no rows");
  for (const CsvRow& row : table.rows) {
    if (row.fields.size() == table.header.fields.size()) continue;
    throw Error(file + ":" + std::to_string(row.line) + ": has " +
                std::to_string(row.fields.size()) + " fields (the header has " +
                std::to_string(table.header.fields.size()) + "; is the row truncated?)");
  }
  return table;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

}  // namespace forerun
