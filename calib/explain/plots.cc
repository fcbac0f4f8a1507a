#include "calib/explain/plots.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "model/io/atomic_file.h"
#include "model/plot/script.h"

namespace forerun {
namespace {

constexpr int kErrorWidth = 900;
constexpr size_t kMostSeries = 7;       // one colour each
constexpr size_t kMostColumns = 20;     // placements: the worst
constexpr size_t kMostParameters = 48;  // rows
constexpr double kLetter = 9.2;         // width of one, in SVG units
constexpr double kRow = 24;             // height of one, in SVG units

/// Room for tick labels as wide as `+40 %`.
constexpr char kWideLabels[] = "set lmargin 13\nset ylabel offset -1,0\n";

/// A left margin for labels of so many letters. gnuplot counts margins in letters of its own.
std::string left_margin(size_t letters) {
  return "set lmargin " + std::to_string(letters + 3) + "\n";
}

/// Rows from top to bottom, each with its label.
std::string row_axis(const std::vector<std::string>& labels) {
  std::string ticks;
  size_t longest = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    ticks += (i == 0 ? "" : ", ") + gnuplot_string(labels[i]) + " " + std::to_string(i);
    longest = std::max(longest, labels[i].size());
  }
  return left_margin(longest) + "set ytics (" + ticks + ")\nset yrange [" +
         plot_number(static_cast<double>(labels.size()) - 0.4) + ":-0.6]\n";
}

int rows_height(size_t rows) { return static_cast<int>(130 + kRow * static_cast<double>(rows)); }
int rows_width(size_t letters, int plot) {
  return static_cast<int>(kLetter * static_cast<double>(letters)) + plot;
}

size_t longest_of(const std::vector<std::string>& labels) {
  size_t longest = 0;
  for (const std::string& label : labels) longest = std::max(longest, label.size());
  return longest;
}

Plot parameters_plot(const std::vector<ParameterExplanation>& parameters) {
  constexpr double kMostFactor = 20;
  constexpr double kZ = 1.645;
  std::vector<std::string> labels;
  DataBlock prior("prior"), known("known"), open("open");
  for (const ParameterExplanation& p : parameters) {
    if (!p.in_play || labels.size() == kMostParameters) continue;
    const auto row = static_cast<double>(labels.size());
    const auto factor = [&](double sd) { return std::min(kMostFactor, std::exp(kZ * sd)); };
    const double before = factor(p.parameter.prior_sd), now = factor(p.parameter.sd);
    prior.add({1 / before, row, before - 1 / before});
    (p.parameter.determined ? known : open).add({1 / now, row, now - 1 / now});
    labels.push_back(p.parameter.name);
  }
  std::string blocks = prior.text();
  const auto bars = [](const DataBlock& block, const std::string& style) {
    return block.name() + " using 1:2:3:(0) with vectors nohead " + style;
  };
  std::vector<std::string> curves = {bars(prior, "lw 9") + line_colour(kGrid) +
                                     " title 'before the data'"};
  if (!known.empty()) {
    blocks += known.text();
    curves.push_back(bars(known, "lw 3.5") + line_colour(series_colour(0)) + " title 'determined'");
  }
  if (!open.empty()) {
    blocks += open.text();
    curves.push_back(bars(open, "lw 3.5") + line_colour(series_colour(1)) +
                     " title 'not determined'");
  }
  return {
      "parameters",
      "Parameters",
      "90 % intervals as factors around the estimate, before and after the data.",
      common_style() + row_axis(labels) +
          "set logscale x 10\nset xrange [1/22.0:22]\nset xtics ('/ 20' 0.05, '/ 10' 0.1, '/ 5' "
          "0.2, '/ 2' 0.5, '1' 1, 'x 2' 2, 'x 5' 5, 'x 10' 10, 'x 20' 20)\n"
          "set xlabel '90 % interval, as a factor around the estimate'\n" +
          blocks + plot_command(curves),
      rows_width(longest_of(labels), 560),
      rows_height(labels.size())};
}

/// The workloads with the largest errors, as many as there are colours.
std::vector<const WorkloadExplanation*> shown(const Explanation& e) {
  std::vector<const WorkloadExplanation*> out;
  for (const WorkloadExplanation& w : e.workloads) out.push_back(&w);
  const auto error = [](const WorkloadExplanation* w) {
    return std::max(w->all.left_out.median, w->all.held_out.median);
  };
  std::stable_sort(out.begin(), out.end(),
                   [&](const auto* a, const auto* b) { return error(a) > error(b); });
  if (out.size() > kMostSeries) out.resize(kMostSeries);
  std::sort(out.begin(), out.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  return out;
}

/// One dot a group, with a bar from the 10th to the 90th percentile of its rows' errors. `x` places
/// the i-th of n series.
template <class GroupsOf, class Place>
std::string error_script(const Explanation& e, const GroupsOf& groups_of, const Place& x,
                         const std::string& x_axis) {
  const std::vector<const WorkloadExplanation*> workloads = shown(e);
  std::string blocks;
  std::vector<std::string> curves = {"0 with lines lw 1.4" + line_colour(kMuted) + " notitle"};
  for (size_t i = 0; i < workloads.size(); ++i) {
    DataBlock left_out("l" + std::to_string(i)), held_out("h" + std::to_string(i));
    for (const ErrorGroup& g : groups_of(*workloads[i])) {
      for (const bool unseen : {false, true}) {
        const ErrorSummary& s = unseen ? g.held_out : g.left_out;
        if (s.rows == 0) continue;
        (unseen ? held_out : left_out)
            .add({x(g, 2 * i + (unseen ? 1 : 0), 2 * workloads.size()), 100 * std::expm1(s.bias),
                  100 * s.low, 100 * s.high});
      }
    }
    const std::string colour = line_colour(series_colour(i));
    bool titled = false;
    for (const auto& [block, mark] : {std::pair(&held_out, "7"), {&left_out, "6"}}) {
      if (block->empty()) continue;
      blocks += block->text();
      curves.push_back(block->name() + " using 1:2:3:4 with yerrorbars pt " + mark +
                       " ps 0.8 lw 1.4" + colour +
                       (titled ? " notitle" : " title " + gnuplot_string(workloads[i]->name)));
      titled = true;
    }
  }
  if (e.held_out) {
    curves.push_back("NaN with points pt 7 ps 0.8" + line_colour(kMuted) + " title 'held out'");
    curves.push_back("NaN with points pt 6 ps 0.8 lw 1.4" + line_colour(kMuted) +
                     " title 'fitted, left out one by one'");
  }
  return common_style() + kWideLabels + "set errorbars 0.7\n" + x_axis +
         "set format y '%+.0f %%'\nset yrange [*<-5:5<*]\nset offsets 0,0,1,1\n"
         "set ylabel 'predicted / observed - 1'\n" +
         blocks + plot_command(curves);
}

constexpr char kErrorCaption[] =
    "Dots are means, bars go from the 10th to the 90th percentile of the rows. Hollow: fitted "
    "rows, "
    "left out one by one. Filled: rows held out.";

/// Side by side around a place on an axis of whole numbers.
double beside(double place, size_t i, size_t n) {
  return place + 0.7 * ((static_cast<double>(i) + 0.5) / static_cast<double>(n) - 0.5);
}

Plot error_by_scale(const Explanation& e) {
  std::map<double, std::pair<size_t, std::string>> columns;  // by world size
  for (const WorkloadExplanation* w : shown(e)) {
    for (const ErrorGroup& g : w->by_scale)
      columns[g.place].second = g.name.substr(0, g.name.find(' '));
  }
  std::string ticks;
  size_t next = 0;
  for (auto& [place, column] : columns) {
    column.first = next++;
    ticks += (column.first == 0 ? "" : ", ") + gnuplot_string(column.second) + " " +
             std::to_string(column.first);
  }
  return {"error-by-scale", "Errors by world size", kErrorCaption,
          error_script(
              e, [](const WorkloadExplanation& w) { return w.by_scale; },
              [&](const ErrorGroup& g, size_t i, size_t n) {
                return beside(static_cast<double>(columns.at(g.place).first), i, n);
              },
              "set xrange [-0.6:" + plot_number(static_cast<double>(next) - 0.4) +
                  "]\nset xtics (" + ticks + ")\nset xlabel 'world size (GPUs)'\n"),
          kErrorWidth};
}

Plot error_by_batch(const Explanation& e) {
  return {"error-by-batch", "Errors by batch", kErrorCaption,
          error_script(
              e, [](const WorkloadExplanation& w) { return w.by_batch; },
              [](const ErrorGroup& g, size_t i, size_t n) { return beside(g.place, i, n); },
              "set xrange [-0.6:2.6]\nset xtics ('smallest third' 0, 'middle third' 1, "
              "'largest third' 2)\nset xlabel 'local batches of the workload'\n"),
          kErrorWidth};
}

/// The placements with the largest bias in any workload, in order, and which column each gets.
std::map<std::pair<double, std::string>, size_t> placement_columns(const Explanation& e) {
  std::map<std::pair<double, std::string>, double> bias;
  for (const WorkloadExplanation* w : shown(e)) {
    for (const ErrorGroup& g : w->by_placement) {
      double& most = bias[{g.place, g.name}];
      most = std::max({most, std::fabs(g.left_out.bias), std::fabs(g.held_out.bias)});
    }
  }
  while (bias.size() > kMostColumns) {
    bias.erase(std::min_element(bias.begin(), bias.end(),
                                [](const auto& a, const auto& b) { return a.second < b.second; }));
  }
  std::map<std::pair<double, std::string>, size_t> columns;
  for (const auto& [key, most] : bias) {
    const size_t next = columns.size();
    columns[key] = next;
  }
  return columns;
}

Plot error_by_placement(const Explanation& e) {
  const auto columns = placement_columns(e);
  std::string ticks;
  for (const auto& [key, column] : columns) {
    ticks += (column == 0 ? "" : ", ") + gnuplot_string(key.second) + " " + std::to_string(column);
  }
  const bool turned = columns.size() > 10;
  const bool all = columns.size() < kMostColumns;
  return {"error-by-placement",
          "Errors by placement",
          kErrorCaption,
          error_script(
              e,
              [&](const WorkloadExplanation& w) {
                std::vector<ErrorGroup> groups = w.by_placement;
                std::erase_if(groups, [&](const ErrorGroup& g) {
                  return !columns.contains({g.place, g.name});
                });
                return groups;
              },
              [&](const ErrorGroup& g, size_t i, size_t n) {
                return beside(static_cast<double>(columns.at({g.place, g.name})), i, n);
              },
              "set xrange [-0.6:" + plot_number(static_cast<double>(columns.size()) - 0.4) +
                  "]\nset xtics " + (turned ? "rotate by -60 " : "") + "(" + ticks +
                  ")\nset xlabel 'placement: nodes x GPUs of each" +
                  (all ? "" : " (those with the largest errors)") + "'\n"),
          std::max(kErrorWidth, static_cast<int>(64 * columns.size())),
          turned ? 480 : 400};
}

/// The workloads of a plan that are least certain, as many as there are colours.
std::map<std::string, std::vector<const Uncertainty*>> by_workload(const MeasurementPlan& plan) {
  std::map<std::string, std::vector<const Uncertainty*>> all;
  for (const Uncertainty& u : plan.uncertainty) all[u.workload].push_back(&u);
  const auto widest = [](const auto& of) {
    double most = 0;
    for (const Uncertainty* u : of.second) most = std::max(most, u->now);
    return most;
  };
  while (all.size() > kMostSeries) {
    all.erase(std::min_element(all.begin(), all.end(), [&](const auto& a, const auto& b) {
      return widest(a) < widest(b);
    }));
  }
  return all;
}

Plot uncertainty_plot(const MeasurementPlan& plan, const std::string& suffix) {
  std::vector<int> sizes;
  for (const Uncertainty& u : plan.uncertainty) sizes.push_back(u.world_size);
  const SizeAxis axis('x', sizes);
  std::string blocks;
  std::vector<std::string> curves;
  size_t i = 0;
  for (const auto& [workload, points] : by_workload(plan)) {
    DataBlock block("u" + std::to_string(i));
    for (const Uncertainty* u : points)
      block.add({1.0 * u->world_size, 100 * u->now, 100 * u->after});
    blocks += block.text();
    const std::string colour = line_colour(series_colour(i++));
    curves.push_back(block.name() + " using 1:2 with linespoints pt 7 ps 0.7 lw 1.8" + colour +
                     " title " + gnuplot_string(workload));
    if (!plan.steps.empty())
      curves.push_back(block.name() + " using 1:3 with lines lw 1.4 dt (4,4)" + colour +
                       " notitle");
  }
  if (!plan.steps.empty())
    curves.push_back("NaN with lines lw 1.4 dt (4,4)" + line_colour(kMuted) +
                     " title 'after measuring as proposed'");
  return {"uncertainty" + suffix, "Uncertainty over world sizes",
          "Half-width of the 90 % interval: now, and after the measurements proposed.",
          common_style() + kWideLabels + axis.script() +
              "set yrange [0:*]\nset format y '%.0f %%'\nset xlabel 'world size (GPUs)'\n"
              "set ylabel 'half-width of the 90 % interval'\n" +
              blocks + plot_command(curves),
          760};
}

Plot next_plot(const MeasurementPlan& plan, const std::string& suffix) {
  std::vector<std::string> labels = {"now"};
  DataBlock bars("bars");
  const auto add = [&](double half_width) {
    const auto row = static_cast<double>(labels.size()) - 1;
    bars.add({100 * half_width, row, 0, 100 * half_width, row - 0.32, row + 0.32});
  };
  add(plan.half_width_90);
  for (const MeasurementValue& step : plan.steps) {
    const Placement& p = step.at.placement;
    char minutes[32];
    std::snprintf(minutes, sizeof minutes, "%.1f GPU-min", step.gpu_seconds / 60);
    labels.push_back(std::to_string(labels.size()) + ". " + step.workload + ", " +
                     std::to_string(p.nodes()) + " x " + std::to_string(p.max_ranks_per_node()) +
                     " GPUs, batch " + std::to_string(step.at.local_batch) + ", " + minutes);
    add(step.half_width_90);
  }
  return {
      "next" + suffix,
      "What to measure next",
      "Mean half-width of the 90 % interval now, and after each measurement in turn (nodes x "
      "GPUs of each).",
      common_style() + row_axis(labels) +
          "unset key\nset rmargin 6\nset xrange [0:*]\nset format x '%.0f %%'\n"
          "set xlabel 'mean half-width of the 90 % interval'\n" +
          bars.text() +
          plot_command({bars.name() + " using 1:2:3:4:5:6 with boxxyerror fs solid 0.9 noborder" +
                        line_colour(series_colour(0))}),
      rows_width(longest_of(labels), 480),
      rows_height(labels.size())};
}

}  // namespace

std::vector<Plot> explanation_plots(const Explanation& e) {
  std::vector<Plot> out;
  if (std::any_of(e.parameters.begin(), e.parameters.end(),
                  [](const ParameterExplanation& p) { return p.in_play; }))
    out.push_back(parameters_plot(e.parameters));
  out.push_back(error_by_scale(e));
  out.push_back(error_by_batch(e));
  out.push_back(error_by_placement(e));
  for (size_t i = 0; i < e.plans.size(); ++i) {
    const std::string suffix = e.plans.size() == 1 ? "" : "-" + std::to_string(i + 1);
    out.push_back(uncertainty_plot(e.plans[i], suffix));
    out.push_back(next_plot(e.plans[i], suffix));
  }
  return out;
}

std::vector<DrawnPlot> draw_explanation(const Explanation& explanation) {
  const std::vector<Plot> plots = explanation_plots(explanation);
  std::vector<RenderedPlot> rendered = render(plots);
  std::vector<DrawnPlot> out;
  for (size_t i = 0; i < plots.size(); ++i) out.push_back({plots[i].name, std::move(rendered[i])});
  return out;
}

std::vector<std::filesystem::path> write_plots(const std::vector<DrawnPlot>& plots,
                                               const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  for (const DrawnPlot& plot : plots) {
    out.push_back(folder / (plot.name + ".svg"));
    write_file_atomically(out.back(), plot.files.svg);
    out.push_back(folder / (plot.name + ".png"));
    write_file_atomically(out.back(), plot.files.png);
  }
  return out;
}

}  // namespace forerun
