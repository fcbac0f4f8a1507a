// From the files of a store to what its report shows.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "calib/predictor.h"
#include "model/io/profile.h"
#include "model/io/run.h"
#include "predict/report/report_data.h"

namespace forerun {

/// The runs of a folder. A file that cannot be read is passed to `warn` and left out; throws Error
/// if that leaves none of them.
std::vector<Run> load_readable_runs(const std::filesystem::path& folder,
                                    const std::function<void(const std::string&)>& warn);

/// Compares, predicts and recommends. Left out, with a note: runs of another machine or label,
/// runs that were not made to check, runs without a step. `date` and `commands` stay empty but for
/// the launch lines.
ReportData collect_report(const Profile& profile, const Predictor& predictor,
                          const std::vector<Run>& runs);

}  // namespace forerun
