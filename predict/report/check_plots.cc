// What was predicted beside what was seen: the scatter of step times, and the errors.
#include <algorithm>
#include <map>

#include "calib/evidence.h"
#include "model/plot/script.h"
#include "predict/report/plots.h"

namespace forerun {
namespace {

/// Comparisons with a prediction, by workload, with their row number in the table (from 1).
using Rows = std::map<std::string, std::vector<std::pair<int, const RunCheck*>>>;

Rows predicted_rows(const std::vector<RunCheck>& checks) {
  Rows rows;
  for (size_t i = 0; i < checks.size(); ++i) {
    if (checks[i].predicted.refused.empty()) {
      rows[workload_name(checks[i].model, checks[i].at)].emplace_back(static_cast<int>(i) + 1,
                                                                      &checks[i]);
    }
  }
  return rows;
}

struct Extent {
  double least = 1e300, most = 0;
  void add(double value) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
};

/// Blocks and curves of one workload: filled points count, hollow ones were measured before.
/// `row` makes (x, y, low, high).
template <class Row>
void add_series(const Rows::value_type& series, size_t index, const Row& row, std::string& blocks,
                std::vector<std::string>& curves) {
  const std::string colour = line_colour(series_colour(index));
  for (const bool counts : {true, false}) {
    DataBlock block("w" + std::to_string(index) + (counts ? "" : "_before"));
    for (const auto& [number, check] : series.second) {
      if (check->counts() == counts) block.add(row(number, *check));
    }
    if (block.empty()) continue;
    blocks += block.text();
    curves.push_back(block.name() + " using 1:2:3:4 with yerrorbars pt " + (counts ? "7" : "6") +
                     " ps 0.8 lw 1.4" + colour + " title " +
                     gnuplot_string(series.first + (counts ? "" : " (measured before)")));
  }
}

}  // namespace

Plot scatter_plot(const std::vector<RunCheck>& checks) {
  Extent extent;
  std::string blocks;
  std::vector<std::string> curves = {
      "x with lines lw 1.2" + line_colour(kMuted) + " title 'exact'",
      "x*1.1 with lines lw 1 dt (4,4)" + line_colour(kMuted) + " title '10 % off'",
      "x/1.1 with lines lw 1 dt (4,4)" + line_colour(kMuted) + " notitle"};
  size_t index = 0;
  for (const auto& series : predicted_rows(checks)) {
    for (const auto& [number, c] : series.second) {
      for (const double t : {c->observed_s, c->predicted.low.value(), c->predicted.high.value()}) {
        extent.add(t);
      }
    }
    add_series(
        series, index++,
        [](int, const RunCheck& c) -> std::vector<double> {
          return {c.observed_s, c.predicted.step_time.value(), c.predicted.low.value(),
                  c.predicted.high.value()};
        },
        blocks, curves);
  }
  return {"predicted-vs-observed", "Predicted against observed step time",
          "One point per configuration that was run, at every world size. Bars are 90 % intervals; "
          "a point on the line is an exact prediction.",
          common_style() + time_axis('x', extent.least, extent.most) +
              time_axis('y', extent.least, extent.most) +
              "set xlabel 'observed step time (median)'\nset ylabel 'predicted step time'\n" +
              blocks + plot_command(curves)};
}

Plot error_plot(const std::vector<RunCheck>& checks) {
  std::string blocks;
  std::vector<std::string> curves = {"0 with lines lw 1.4" + line_colour(kMuted) +
                                     " title 'observed'"};
  size_t index = 0;
  for (const auto& series : predicted_rows(checks)) {
    add_series(
        series, index++,
        [](int number, const RunCheck& c) -> std::vector<double> {
          const auto error = [&](Seconds<> t) { return 100 * (t.value() / c.observed_s - 1); };
          return {1.0 * number, error(c.predicted.step_time), error(c.predicted.low),
                  error(c.predicted.high)};
        },
        blocks, curves);
  }
  const size_t n = checks.size();
  const std::string ticks = n <= 20 ? "set xtics 1\n" : n <= 40 ? "set xtics 5\n" : "";
  return {"error", "Error of each prediction",
          "Predicted step time over observed, row by row of the table below. The observation is 0; "
          "a bar that crosses it is an interval that held.",
          common_style() + "set lmargin 12\n" + ticks +
              "set xrange [0.4:" + plot_number(static_cast<double>(n) + 0.6) +
              "]\nset format y '%+.0f %%'\nset yrange [*<-5:5<*]\nset offsets 0,0,1,1\n"
              "set xlabel 'row of the table'\n"
              "set ylabel 'predicted / observed - 1' offset -1,0\n" +
              blocks + plot_command(curves)};
}

}  // namespace forerun
