// The report as one HTML page that needs nothing beside it.
#pragma once

#include <string>
#include <vector>

#include "model/plot/gnuplot.h"
#include "predict/report/plots.h"
#include "predict/report/report_data.h"

namespace forerun {

/// Figures of one part of the page, drawn.
struct Figure {
  Plot plot;
  std::string svg;  ///< gnuplot's document
};

struct PageFigures {
  std::vector<Figure> checks, speedup, throughput, components, network, choice;
};

/// The whole document: CSS and SVG inline, no script, nothing loaded.
std::string make_page(const ReportData& data, const PageFigures& figures);

}  // namespace forerun
