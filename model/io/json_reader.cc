#include "model/io/json_reader.h"

#include <algorithm>
#include <cmath>

#include "model/error.h"
#include "model/io/atomic_file.h"

namespace forerun {
namespace {

/// The place of a number that is not finite, such as `/network/0`, if there is one.
std::optional<std::string> non_finite_place(const Json& node) {
  if (node.is_number_float() && !std::isfinite(node.get<double>())) return "";
  if (!node.is_structured()) return std::nullopt;
  for (const auto& [key, child] : node.items()) {
    if (const auto place = non_finite_place(child)) return "/" + key + *place;
  }
  return std::nullopt;
}

}  // namespace

void JsonReader::fail(const std::string& problem) const {
  throw Error(where_ + (where_.ends_with(": ") ? "" : ": ") + problem);  // the former at the root
}

JsonReader JsonReader::at(const std::string& key) const {
  if (!node_->is_object()) fail(std::string("is ") + node_->type_name() + " (expected an object)");
  const auto found = node_->find(key);
  if (found == node_->end()) fail("has no \"" + key + "\"");
  return {*found, where_ + "/" + key};
}

bool JsonReader::has(const std::string& key) const {
  return node_->is_object() && node_->contains(key) && !(*node_)[key].is_null();
}

std::vector<JsonReader> JsonReader::items() const {
  if (!node_->is_array()) fail(std::string("is ") + node_->type_name() + " (expected an array)");
  std::vector<JsonReader> out;
  out.reserve(node_->size());
  for (size_t i = 0; i < node_->size(); ++i) {
    out.emplace_back((*node_)[i], where_ + "/" + std::to_string(i));
  }
  return out;
}

std::string JsonReader::text() const {
  if (!node_->is_string()) fail("is " + node_->dump() + " (expected text)");
  return node_->get<std::string>();
}

bool JsonReader::boolean() const {
  if (!node_->is_boolean()) fail("is " + node_->dump() + " (expected true or false)");
  return node_->get<bool>();
}

double JsonReader::number() const {
  if (!node_->is_number()) fail("is " + node_->dump() + " (expected a finite number)");
  const double value = node_->get<double>();
  if (!std::isfinite(value)) fail("is not finite");
  return value;
}

double JsonReader::positive() const {
  const double value = number();
  if (value <= 0) fail("is " + node_->dump() + " (must be > 0)");
  return value;
}

double JsonReader::non_negative() const {
  const double value = number();
  if (value < 0) fail("is " + node_->dump() + " (must be >= 0)");
  return value;
}

long JsonReader::whole(long least) const {
  const double value = number();
  if (value != std::floor(value) || value < static_cast<double>(least) || std::fabs(value) > 9e15) {
    fail("is " + node_->dump() + " (must be a whole number >= " + std::to_string(least) + ")");
  }
  return static_cast<long>(value);
}

std::vector<double> JsonReader::numbers() const {
  std::vector<double> out;
  for (const JsonReader& item : items()) out.push_back(item.number());
  return out;
}

std::string JsonReader::text_or(const std::string& key, const std::string& fallback) const {
  return has(key) ? at(key).text() : fallback;
}

double JsonReader::number_or(const std::string& key, double fallback) const {
  return has(key) ? at(key).number() : fallback;
}

std::optional<double> JsonReader::optional_number(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  return at(key).number();
}

Json load_document(const std::filesystem::path& path, const std::string& format,
                   int newest_version) {
  const std::string text = read_file(path);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw Error(path.string() + ": is empty (expected a " + format + " document)");
  }
  Json document;
  try {
    document = Json::parse(text);
  } catch (const Json::parse_error& error) {
    // what() holds line and column; drop the library's own prefix.
    std::string reason = error.what();
    if (const size_t at = reason.find("parse error"); at != std::string::npos) reason.erase(0, at);
    throw Error(path.string() + ": not valid JSON, perhaps truncated: " + reason);
  } catch (const Json::exception& error) {
    throw Error(path.string() + ": not valid JSON: " + error.what());
  }
  const JsonReader reader(document, path.string());
  if (document.is_object() && !reader.has("format")) {
    reader.fail("names no \"format\": Forerun did not write it (expected a " + format +
                " document)");
  }
  const std::string found = reader.at("format").text();
  if (found != format) reader.fail("is a \"" + found + "\" document (expected \"" + format + "\")");
  const long version = reader.at("version").whole(1);
  if (version > newest_version) {
    reader.fail(format + " version " + std::to_string(version) +
                " is newer than this program reads (" + std::to_string(newest_version) +
                "); update Forerun");
  }
  return document;
}

bool fits_json(const std::string& text) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::all_of(text.begin(), text.end(), is_ascii)) return true;
  try {
    return !Json(text).dump().empty();
  } catch (const Json::type_error&) {
    return false;
  }
}

std::string json_text(const Json& document) {
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void save_document(const std::filesystem::path& path, const Json& document) {
  // JSON has no NaN: it would be written as null, and nobody could read the file again.
  if (const auto place = non_finite_place(document)) {
    throw Error(path.string() + ": " + *place + " is not a finite number; the file is as it was");
  }
  write_file_atomically(path, json_text(document));
}

}  // namespace forerun
