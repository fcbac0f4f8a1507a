// A workload of calibration.json, and what it is written with like a network: parameters, factors,
// doubles by their keys.
#pragma once

#include <string>

#include "model/io/calibration.h"
#include "model/io/json_reader.h"

namespace forerun {

/// Doubles of a struct by their keys: written and read by the same table.
template <class S, class Fields>
void write_fields(Json& out, const S& from, const Fields& fields) {
  for (const auto& [key, member] : fields) out[key] = from.*member;
}

/// A field that an older file does not have keeps its default.
template <class S, class Fields>
void read_fields(const JsonReader& in, S& to, const Fields& fields) {
  for (const auto& [key, member] : fields) to.*member = in.number_or(key, to.*member);
}

Json to_json(const ParameterBlock& block);
ParameterBlock read_block(const JsonReader& in);

int read_count(const JsonReader& in, const char* key);
/// A factor on a time; 1 in a file older than it is.
double read_factor(const JsonReader& in, const std::string& key);

Json to_json(const WorkloadCalibration& workload);
/// Throws as JsonReader does, and where parts do not belong together.
WorkloadCalibration read_workload(const JsonReader& in);

}  // namespace forerun
