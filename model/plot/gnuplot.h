// Drawing with gnuplot, which is run as a program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// One figure: what gnuplot shall do, and what a page says about it.
struct Plot {
  std::string name;               ///< of the files: letters, digits, `-`, `_`, `.`
  std::string title;              ///< above it on the page
  std::string caption;            ///< below it: how to read it
  std::string script;             ///< from `set xlabel` to `plot`; the terminal is set for it
  int width = 640, height = 400;  ///< SVG units; the PNG has twice as many pixels
};

struct RenderedPlot {
  std::string svg;  ///< a whole document, white background
  std::string png;
};

/// Draws all of them, in order, with one run of gnuplot. Throws Error: gnuplot missing (names the
/// package), or failed (with what it said).
std::vector<RenderedPlot> render(const std::vector<Plot>& plots);

/// `text` as a gnuplot string that nothing in it can end or expand.
std::string gnuplot_string(std::string_view text);

}  // namespace forerun
