#include "predict/report/plots.h"

#include <algorithm>
#include <map>
#include <set>

#include "model/plot/script.h"

namespace forerun {
namespace {

/// Names made of `stem` and the workload that no other figure has.
class FileNames {
 public:
  std::string make(const std::string& stem, const std::string& workload) {
    std::string name = stem + "-";
    for (const char c : workload) {
      const bool safe = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
      name += safe ? c : '_';
    }
    name.resize(std::min<size_t>(name.size(), 100));
    std::string unique = name;
    for (int i = 2; !used_.insert(unique).second; ++i) unique = name + "-" + std::to_string(i);
    return unique;
  }

 private:
  std::set<std::string> used_;
};

bool has_predictions(const std::vector<RunCheck>& checks) {
  return std::any_of(checks.begin(), checks.end(),
                     [](const RunCheck& c) { return c.predicted.refused.empty(); });
}

bool has_speedup(const std::vector<BatchScaling>& batches) {
  return std::any_of(batches.begin(), batches.end(), [](const BatchScaling& b) {
    return b.predicted_base_s().has_value() && b.points.size() > 1;
  });
}

}  // namespace

Plot allreduce_plot(const std::vector<AllreduceCurve>& curves) {
  double least = 1e300, most = 0, smallest = 1e300, largest = 0;
  std::string blocks;
  std::vector<std::string> lines;
  const auto extend = [&](const TransferSample& s, double low, double high) {
    smallest = std::min(smallest, s.size_bytes);
    largest = std::max(largest, s.size_bytes);
    least = std::min(least, low);
    most = std::max(most, high);
  };
  for (size_t i = 0; i < curves.size(); ++i) {
    const std::string colour = line_colour(series_colour(i));
    DataBlock measured("m" + std::to_string(i)), fitted("f" + std::to_string(i));
    for (const TransferSample& s : curves[i].measured) {
      measured.add({s.size_bytes, s.median_s, s.p10_s, s.p90_s});
      extend(s, s.p10_s, s.p90_s);
    }
    for (const TransferSample& s : curves[i].fitted) {
      fitted.add({s.size_bytes, s.median_s});
      extend(s, s.median_s, s.median_s);
    }
    blocks += measured.text();
    const int ranks = curves[i].placement.world_size();
    const std::string title =
        std::to_string(ranks) + " ranks" +
        (curves[i].placement.nodes() > 1 ? " (" + curves[i].placement.text() + ")" : "");
    if (!fitted.empty()) {
      blocks += fitted.text();
      lines.push_back(fitted.name() + " using 1:2 with lines lw 1.6" + colour + " notitle");
    }
    lines.push_back(measured.name() + " using 1:2:3:4 with yerrorbars pt 7 ps 0.7 lw 1.2" + colour +
                    " title " + gnuplot_string(title));
  }
  const bool any_fitted = std::any_of(curves.begin(), curves.end(),
                                      [](const AllreduceCurve& c) { return !c.fitted.empty(); });
  if (any_fitted) {
    lines.push_back("NaN with lines lw 1.6" + line_colour(kMuted) + " title 'fitted'");
  }
  return {"allreduce", "All-reduce time against size",
          "Dots are medians of the sweep with bars from the 10th to the 90th percentile, alone on "
          "the network; lines are the fitted network, over the sizes that buckets come near.",
          common_style() + size_axis('x', smallest, largest) + time_axis('y', least, most) +
              "set xlabel 'bytes per rank'\nset ylabel 'all-reduce time'\n" + blocks +
              plot_command(lines)};
}

Plot recommended_plot(const std::vector<RecommendedSize>& recommended) {
  std::map<std::string, std::vector<const RecommendedSize*>> by_model;
  std::vector<int> sizes;
  std::set<long> batches;
  for (const RecommendedSize& one : recommended) {
    by_model[one.model].push_back(&one);
    sizes.push_back(one.world_size);
    batches.insert(one.global_batch);
  }
  sizes.push_back(1);
  const SizeAxis axis('y', sizes);
  std::string blocks, ticks;
  const long stride = 1 + static_cast<long>(batches.size()) / 13;
  long number = 0;
  for (const long batch : batches) {
    if (number++ % stride != 0) continue;
    ticks += (ticks.empty() ? "'" : ", '") + std::to_string(batch) + "' " + std::to_string(batch);
  }
  std::vector<std::string> curves;
  size_t index = 0;
  for (const auto& [model, rows] : by_model) {
    DataBlock block("r" + std::to_string(index));
    for (const RecommendedSize* one : rows) {
      block.add({static_cast<double>(one->global_batch),
                 axis.place(one->world_size, index, by_model.size())});
    }
    blocks += block.text();
    curves.push_back(block.name() + " using 1:2 with linespoints pt 7 ps 0.9 lw 1.6" +
                     line_colour(series_colour(index++)) + " title " + gnuplot_string(model));
  }
  return {"recommended", "Recommended world size per batch",
          "The world size that predict recommends for each global batch. Lines of several "
          "workloads are drawn slightly apart.",
          common_style() + "set logscale x 2\nset xrange [" +
              plot_number(static_cast<double>(*batches.begin()) / 1.3) + ":" +
              plot_number(static_cast<double>(*batches.rbegin()) * 1.3) + "]\nset xtics (" + ticks +
              ")\n" + axis.script() +
              "set xlabel 'global batch (samples)'\nset ylabel 'recommended world size'\n" +
              blocks + plot_command(curves)};
}

ReportPlots make_plots(const ReportData& data) {
  ReportPlots plots;
  FileNames names;
  if (has_predictions(data.checks)) {
    plots.checks = {scatter_plot(data.checks), error_plot(data.checks)};
  }
  for (const WorkloadScaling& scaling : data.scaling) {
    if (scaling.strong.empty()) continue;
    if (has_speedup(scaling.strong)) {
      plots.speedup.push_back(speedup_plot(scaling, names.make("speedup", scaling.model)));
    }
    if (has_speedup(scaling.weak)) {
      plots.speedup.push_back(weak_scaling_plot(scaling, names.make("weak", scaling.model)));
    }
    plots.components.push_back(components_plot(scaling, names.make("components", scaling.model)));
    plots.throughput.push_back(throughput_plot(scaling, names.make("throughput", scaling.model)));
  }
  if (!data.allreduce.empty()) plots.network = {allreduce_plot(data.allreduce)};
  if (!data.recommended.empty()) plots.choice = {recommended_plot(data.recommended)};
  return plots;
}

}  // namespace forerun
