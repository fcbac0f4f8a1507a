// The figures of an explanation.
#pragma once

#include <filesystem>
#include <vector>

#include "calib/explain/explanation.h"
#include "model/plot/gnuplot.h"

namespace forerun {

/// Parameters, errors by scale, by batch and by placement, uncertainty over world sizes, and what
/// to measure next; only those that have something to show.
std::vector<Plot> explanation_plots(const Explanation& explanation);

/// Draws them as SVG and PNG. Throws Error: gnuplot missing (names the package) or failed.
struct DrawnPlot {
  std::string name;
  RenderedPlot files;
};
std::vector<DrawnPlot> draw_explanation(const Explanation& explanation);

/// Writes `<name>.svg` and `<name>.png`. Returns the paths. Throws Error.
std::vector<std::filesystem::path> write_plots(const std::vector<DrawnPlot>& plots,
                                               const std::filesystem::path& folder);

}  // namespace forerun
