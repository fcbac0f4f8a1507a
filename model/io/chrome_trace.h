// Timelines as Chrome trace JSON, which Perfetto (ui.perfetto.dev) and chrome://tracing open.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/io/json_reader.h"

namespace forerun {

/// One bar: something that ran on a track of a process.
struct TraceBar {
  std::string process;  ///< `measured`
  std::string track;    ///< `compute`
  std::string name;     ///< `forward`
  double start_s = 0, duration_s = 0;
};

/// Processes and tracks appear in the order of their first bar. Times in the file are microseconds.
/// Source: Trace Event Format, complete events (`ph` X) and metadata (`ph` M).
Json chrome_trace(const std::vector<TraceBar>& bars);
/// Atomic: see write_file_atomically().
void save_chrome_trace(const std::filesystem::path& path, const std::vector<TraceBar>& bars);

}  // namespace forerun
