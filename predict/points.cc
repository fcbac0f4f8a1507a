#include "predict/points.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <ranges>
#include <string_view>
#include <utility>

#include "model/io/observations.h"

namespace forerun {
namespace {

constexpr std::string_view kAdded = "predicted_step_time_s,low_s,high_s,status,reason";

bool is_added(const std::string& column) {
  for (const auto name : std::views::split(kAdded, ',')) {
    if (std::ranges::equal(name, column)) return true;
  }
  return false;
}

void append(std::string& out, double value) {
  char text[64];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void append_prediction(std::string& out, const Prediction& p) {
  if (!p.refused.empty()) {
    out += ",,,refused," + csv_field(p.refused) + "\n";
    return;
  }
  for (const Seconds<> time : {p.step_time, p.low, p.high}) {
    append(out, time.value());
    out += ',';
  }
  out += "ok," + (p.unexpected ? csv_field(p.unexpected->text()) : "") + "\n";
}

std::vector<Prediction> predict_all(const std::vector<Observation>& points,
                                    const ModelStepTimes& predict) {
  std::map<std::pair<std::string, std::string>, std::vector<size_t>> groups;
  for (size_t i = 0; i < points.size(); ++i) {
    groups[{points[i].cluster, points[i].model}].push_back(i);
  }
  std::vector<Prediction> predictions(points.size());
  for (const auto& [name, rows] : groups) {
    std::vector<Configuration> at;
    at.reserve(rows.size());
    for (const size_t i : rows) at.push_back(points[i].at);
    std::vector<Prediction> found = predict(name.first, name.second, at);
    for (size_t k = 0; k < rows.size(); ++k) predictions[rows[k]] = std::move(found[k]);
  }
  return predictions;
}

/// The columns that are the table's own, by index.
std::vector<size_t> own_columns(const CsvRow& header) {
  std::vector<size_t> own;
  for (size_t i = 0; i < header.fields.size(); ++i) {
    if (!is_added(header.fields[i])) own.push_back(i);
  }
  return own;
}

}  // namespace

std::string predict_points(const CsvTable& table, const ModelStepTimes& predict) {
  const std::vector<Prediction> predictions = predict_all(read_points(table), predict);
  const std::vector<size_t> own = own_columns(table.header);
  std::string out;
  out.reserve(table.rows.size() * 128);
  const auto append_own = [&](const CsvRow& row) {
    for (const size_t i : own) out += csv_field(row.fields[i]) + ",";
  };
  append_own(table.header);
  out += std::string(kAdded) + "\n";
  for (size_t i = 0; i < table.rows.size(); ++i) {
    append_own(table.rows[i]);
    append_prediction(out, predictions[i]);
  }
  return out;
}

}  // namespace forerun
