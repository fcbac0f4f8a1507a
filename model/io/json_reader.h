// Reading JSON so that every complaint names the file and the place in it.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace forerun {

using Json = nlohmann::ordered_json;

/// A place in a document: `profile.json: /workloads/0/grad_bytes`. Every getter throws Error with
/// that place, what was found, and what was expected. A reader does not own its document.
class JsonReader {
 public:
  JsonReader(const Json& node, std::string where) : node_(&node), where_(std::move(where)) {}

  JsonReader at(const std::string& key) const;
  bool has(const std::string& key) const;
  /// Elements of an array.
  std::vector<JsonReader> items() const;

  std::string text() const;
  bool boolean() const;
  /// A finite number.
  double number() const;
  double positive() const;
  double non_negative() const;
  /// A whole number >= `least`.
  long whole(long least) const;
  std::vector<double> numbers() const;

  std::string text_or(const std::string& key, const std::string& fallback) const;
  double number_or(const std::string& key, double fallback) const;
  std::optional<double> optional_number(const std::string& key) const;

  const Json& node() const { return *node_; }
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  const Json* node_;
  std::string where_;
};

/// Reads a document of one of our formats. Throws Error: empty or truncated JSON by line and
/// column, another format by name, a version newer than `newest_version` by number.
Json load_document(const std::filesystem::path& path, const std::string& format,
                   int newest_version);

/// Whether a document can hold `text`: it is UTF-8.
bool fits_json(const std::string& text);

/// A document as text that ends with a newline, indented by one space. What is not UTF-8, such as
/// the name of a file, gets U+FFFD.
std::string json_text(const Json& document);

/// Writes json_text() atomically. Throws Error for a number that is not finite, naming its place.
void save_document(const std::filesystem::path& path, const Json& document);

}  // namespace forerun
