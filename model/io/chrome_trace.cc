#include "model/io/chrome_trace.h"

#include <algorithm>

namespace forerun {
namespace {

/// Position of `name` in `names`, appended if it is new.
size_t index_of(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  names.push_back(name);
  return names.size() - 1;
}

Json metadata(const char* what, const std::string& name, size_t process, size_t track) {
  return {
      {"name", what}, {"ph", "M"}, {"pid", process}, {"tid", track}, {"args", {{"name", name}}}};
}

}  // namespace

Json chrome_trace(const std::vector<TraceBar>& bars) {
  constexpr double kMicroseconds = 1e6;
  Json events = Json::array();
  std::vector<std::string> processes;
  std::vector<std::vector<std::string>> tracks;
  for (const TraceBar& bar : bars) {
    const size_t process = index_of(processes, bar.process);
    if (process == tracks.size()) {
      tracks.emplace_back();
      events.push_back(metadata("process_name", bar.process, process, 0));
      events.push_back({{"name", "process_sort_index"},
                        {"ph", "M"},
                        {"pid", process},
                        {"args", {{"sort_index", process}}}});
    }
    const size_t known = tracks[process].size();
    const size_t track = index_of(tracks[process], bar.track);
    if (track == known) events.push_back(metadata("thread_name", bar.track, process, track));
    events.push_back({{"name", bar.name},
                      {"ph", "X"},
                      {"ts", bar.start_s * kMicroseconds},
                      {"dur", bar.duration_s * kMicroseconds},
                      {"pid", process},
                      {"tid", track}});
  }
  return {{"displayTimeUnit", "ms"}, {"traceEvents", events}};
}

void save_chrome_trace(const std::filesystem::path& path, const std::vector<TraceBar>& bars) {
  save_document(path, chrome_trace(bars));
}

}  // namespace forerun
