// CSV files of others: quotes, either line end, a byte order mark, comments.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace forerun {

struct CsvRow {
  int line = 0;  ///< where it ends, counted from 1
  std::vector<std::string> fields;
};

struct CsvTable {
  std::string file;  ///< its name, for messages
  CsvRow header;
  std::vector<CsvRow> rows;  ///< each with as many fields as the header
};

/// Reads a table; blank lines and lines that start with # are skipped. Throws Error with file and
/// line: no header, no rows, a quote that is not closed, a row with more or fewer fields than the
/// header.
CsvTable read_csv(const std::filesystem::path& path);

/// `text` as one CSV field: quoted where it must be.
std::string csv_field(const std::string& text);

}  // namespace forerun
