// From the data of a report to its files.
#pragma once

#include <filesystem>

#include "predict/report/report_data.h"

namespace forerun {

/// Writes `index.html`, one SVG and one PNG per figure, and `predicted_vs_observed.csv` into
/// `folder`, each atomically and the page last. Returns the page's path. Throws Error: gnuplot
/// missing or failed, a file that cannot be written.
std::filesystem::path write_report(const ReportData& data, const std::filesystem::path& folder);

}  // namespace forerun
