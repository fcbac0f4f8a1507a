// Judges a document by one of the schemas in model/io/schema/.
#pragma once

#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "model/io/atomic_file.h"

namespace forerun {

/// What `<name>.schema.json` complains about in a JSON text; empty if it is valid.
inline std::string schema_complaints(const std::string& name, const std::string& text) {
  using Adapter = valijson::adapters::NlohmannJsonAdapter;
  const auto schema_json = nlohmann::json::parse(
      read_file(FORERUN_SOURCE_DIR "/model/io/schema/" + name + ".schema.json"));
  const auto document = nlohmann::json::parse(text);
  valijson::Schema schema;
  valijson::SchemaParser(valijson::SchemaParser::kDraft7)
      .populateSchema(Adapter(schema_json), schema);
  valijson::ValidationResults results;
  if (valijson::Validator().validate(schema, Adapter(document), &results)) return "";
  std::string out;
  for (const auto& error : results) {
    for (const std::string& step : error.context) out += step;
    out += ": " + error.description + "\n";
  }
  return out.empty() ? "invalid" : out;
}

}  // namespace forerun
