#include "predict/points.h"

#include <charconv>
#include <map>
#include <sstream>
#include <utility>

namespace forerun {
namespace {

constexpr const char* kAdded[] = {"predicted_step_time_s", "low_s", "high_s", "status", "reason"};

void append(std::string& out, double value) {
  char text[64];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void append_prediction(std::string& out, const Prediction& p) {
  if (!p.refused.empty()) {
    out += ",,,,refused," + csv_field(p.refused) + "\n";
    return;
  }
  for (const Seconds<> time : {p.step_time, p.low, p.high}) {
    out += ',';
    append(out, time.value());
  }
  out += ",ok,\n";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

bool is_skipped(const std::string& line) { return line.empty() || line.front() == '#'; }

bool has_added_column(const std::string& header) {
  std::istringstream in(header);
  for (std::string name; std::getline(in, name, ',');) {
    std::erase(name, '"');
    for (const char* added : kAdded) {
      if (name == added) return true;
    }
  }
  return false;
}

PointColumns plain_columns(const std::vector<Observation>& points) {
  PointColumns out{"model,nodes,gpus,placement,local_batch,accumulation", {}};
  out.rows.reserve(points.size());
  for (const Observation& point : points) {
    const Placement& p = point.at.placement;
    out.rows.push_back(csv_field(point.model) + "," + std::to_string(p.nodes()) + "," +
                       std::to_string(p.world_size()) + "," + p.text() + "," +
                       std::to_string(point.at.local_batch) + "," +
                       std::to_string(point.at.accumulation));
  }
  return out;
}

}  // namespace

PointColumns point_columns(const std::string& text, const std::vector<Observation>& points) {
  const std::vector<std::string> lines = lines_of(text);
  size_t next = 0;  // the first line that no row holds yet
  const auto skip = [&] {
    while (next < lines.size() && is_skipped(lines[next])) ++next;
  };
  skip();
  PointColumns out;
  if (next < lines.size()) out.header = lines[next++];
  if (has_added_column(out.header)) return plain_columns(points);
  for (const Observation& point : points) {  // a row ends on point.line, counted from 1
    skip();
    std::string row;
    for (; next < lines.size() && next < static_cast<size_t>(point.line); ++next) {
      row += (row.empty() ? "" : "\n") + lines[next];
    }
    out.rows.push_back(std::move(row));
  }
  return out;
}

std::string predict_points(const std::vector<Observation>& points, const PointColumns& columns,
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
  std::string out = columns.header;
  for (const char* added : kAdded) out += std::string(",") + added;
  out += '\n';
  out.reserve(points.size() * 128);
  for (size_t i = 0; i < points.size(); ++i) {
    out += columns.rows[i];
    append_prediction(out, predictions[i]);
  }
  return out;
}

}  // namespace forerun
