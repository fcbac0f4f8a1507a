// Curves over the world size: speedup, throughput, and what a step is made of.
#include <algorithm>

#include "model/plot/script.h"
#include "predict/report/plots.h"

namespace forerun {
namespace {

constexpr size_t kMostBars = 12;

using Batches = std::vector<BatchScaling>;

std::vector<int> world_sizes(const Batches& batches) {
  std::vector<int> sizes;
  for (const BatchScaling& batch : batches) {
    for (const ScalingPoint& point : batch.points) sizes.push_back(point.at.world_size());
    for (const ScalingObservation& seen : batch.observed) sizes.push_back(seen.world_size);
  }
  return sizes;
}

/// Entries of the key that explain the marks whatever the colour.
std::vector<std::string> key_of_marks(bool checks, bool fitted) {
  std::vector<std::string> out;
  const std::string colour = line_colour(kMuted);
  if (checks) out.push_back("NaN with points pt 7 ps 0.9" + colour + " title 'check run'");
  if (fitted) out.push_back("NaN with points pt 6 ps 0.9 lw 1.4" + colour + " title 'fitted'");
  return out;
}

/// One batch's curve: a line with interval bars, filled points for check runs, hollow ones for
/// measurements that were fitted. The interval's ends stay in order whichever way y goes.
template <class Predicted, class Observed>
void add_batch(const BatchScaling& batch, const std::string& title, size_t index, size_t count,
               const SizeAxis& axis, const Predicted& predicted_y, const Observed& observed_y,
               std::string& blocks, std::vector<std::string>& curves) {
  DataBlock predicted("p" + std::to_string(index)), checks("c" + std::to_string(index)),
      fitted("f" + std::to_string(index));
  for (const ScalingPoint& point : batch.points) {
    const int n = point.at.world_size();
    predicted.add({axis.place(n, index, count), predicted_y(n, point.predicted.step_time.value()),
                   predicted_y(n, point.predicted.high.value()),
                   predicted_y(n, point.predicted.low.value())});
  }
  for (const ScalingObservation& seen : batch.observed) {
    (seen.check ? checks : fitted)
        .add({axis.place(seen.world_size, index, count),
              observed_y(seen.world_size, seen.step_time_s)});
  }
  const std::string colour = line_colour(series_colour(index));
  blocks += predicted.text();
  curves.push_back(predicted.name() + " using 1:2 with lines lw 1.8" + colour + " title " +
                   gnuplot_string(title));
  curves.push_back(interval_curve(predicted, "1", 3, 4) + colour + " notitle");
  for (const auto& [block, mark] : {std::pair(&checks, "7 ps 0.9"), {&fitted, "6 ps 0.9 lw 1.4"}}) {
    if (block->empty()) continue;
    blocks += block->text();
    curves.push_back(block->name() + " using 1:2 with points pt " + mark + colour + " notitle");
  }
}

bool any_observed(const Batches& batches, bool check) {
  for (const BatchScaling& batch : batches) {
    for (const ScalingObservation& seen : batch.observed) {
      if (seen.check == check) return true;
    }
  }
  return false;
}

/// All batches over the world size. `y(batch)` is a pair of functions of world size and step time:
/// for what was predicted, and for what was observed.
template <class Axes>
std::string scaling_script(const Batches& batches, const std::string& unit, const Axes& y,
                           const std::string& label, bool ideal) {
  const SizeAxis axis('x', world_sizes(batches));
  std::string blocks;
  std::vector<std::string> curves;
  if (ideal) {
    curves.push_back("x with lines lw 1.2 dt (4,4)" + line_colour(kMuted) + " title 'ideal'");
  }
  for (size_t i = 0; i < batches.size(); ++i) {
    const auto [predicted_y, observed_y] = y(batches[i]);
    add_batch(batches[i], "batch " + std::to_string(batches[i].batch) + unit, i, batches.size(),
              axis, predicted_y, observed_y, blocks, curves);
  }
  for (auto& entry : key_of_marks(any_observed(batches, true), any_observed(batches, false))) {
    curves.push_back(entry);
  }
  return common_style() + axis.script() +
         (axis.doublings ? "set logscale y 2\nset yrange [*:*]\n" : "set yrange [0:*]\n") +
         "set xlabel 'world size (ranks)'\nset ylabel '" + label + "'\n" + blocks +
         plot_command(curves);
}

std::string base_sentence(const Batches& batches) {
  bool check = false, fitted = false, predicted = false;
  for (const BatchScaling& batch : batches) {
    if (batch.observed.empty()) continue;
    const std::optional<ScalingObservation> base = batch.observed_base();
    (!base ? predicted : base->check ? check : fitted) = true;
  }
  std::string kinds;
  const auto add = [&](bool used, const char* kind) {
    if (used) kinds += (kinds.empty() ? "" : ", else ") + std::string(kind);
  };
  add(check, "a check run");
  add(fitted, "the measurement that was fitted");
  add(predicted, "the prediction, where one rank was not run");
  return kinds.empty() ? ""
                       : " Observed speedup is over one rank at the same batch: " + kinds + ".";
}

/// Those whose one rank was predicted: the unit, without an interval.
Batches over_one_rank(Batches batches) {
  std::erase_if(batches, [](const BatchScaling& batch) { return !batch.predicted_base_s(); });
  for (BatchScaling& batch : batches) {
    for (ScalingPoint& point : batch.points) {
      if (point.at.world_size() != 1) continue;
      point.predicted.low = point.predicted.high = point.predicted.step_time;
    }
  }
  return batches;
}

/// throughput(n) / throughput(1); `samples(n)` is the global batch over that of one rank.
template <class Samples>
std::string speedup_script(const Batches& batches, const std::string& unit,
                           const Samples& samples) {
  const auto y = [&](const BatchScaling& batch) {
    const double base = *batch.predicted_base_s();
    const auto observed = batch.observed_base();
    const double observed_base = observed ? observed->step_time_s : base;
    return std::pair([=](int n, double t) { return samples(n) * base / t; },
                     [=](int n, double t) { return samples(n) * observed_base / t; });
  };
  return scaling_script(batches, unit, y, "speedup over one rank", true);
}

}  // namespace

const BatchScaling& most_checked(const WorkloadScaling& scaling) {
  return *std::max_element(scaling.strong.begin(), scaling.strong.end(),
                           [](const BatchScaling& a, const BatchScaling& b) {
                             return std::pair(a.checks(), a.batch) < std::pair(b.checks(), b.batch);
                           });
}

Plot speedup_plot(const WorkloadScaling& scaling, const std::string& name) {
  const Batches batches = over_one_rank(scaling.strong);
  return {name, scaling.model,
          "Strong scaling: throughput(N) / throughput(1) at the same global batch. Lines with 90 % "
          "interval bars are predicted." +
              base_sentence(batches),
          speedup_script(batches, "", [](int) { return 1.0; })};
}

Plot weak_scaling_plot(const WorkloadScaling& scaling, const std::string& name) {
  const Batches batches = over_one_rank(scaling.weak);
  return {name, scaling.model + ", batch per rank kept",
          "Weak scaling: throughput(N) / throughput(1) at the same batch on every rank. Lines with "
          "90 % interval bars are predicted." +
              base_sentence(batches),
          speedup_script(batches, " a rank", [](int n) { return static_cast<double>(n); })};
}

Plot throughput_plot(const WorkloadScaling& scaling, const std::string& name) {
  const auto y = [](const BatchScaling& batch) {
    const auto throughput = [samples = static_cast<double>(batch.batch)](int, double t) {
      return samples / t;
    };
    return std::pair(throughput, throughput);
  };
  return {name, scaling.model,
          "Samples per second at each global batch. Lines with 90 % interval bars are predicted.",
          scaling_script(scaling.strong, "", y, "throughput (samples/s)", false)};
}

Plot components_plot(const WorkloadScaling& scaling, const std::string& name) {
  const BatchScaling& batch = most_checked(scaling);
  std::vector<ScalingPoint> bars = batch.points;
  if (bars.size() > kMostBars) {
    std::erase_if(bars, [](const ScalingPoint& p) {
      return (p.at.world_size() & (p.at.world_size() - 1)) != 0;
    });
  }
  double most = 0;
  for (const ScalingPoint& bar : bars) most = std::max(most, bar.predicted.high.value());
  const double unit = most < 1 ? 1e3 : 1;

  DataBlock parts("parts"), seen("seen");
  std::string ticks;
  for (size_t i = 0; i < bars.size(); ++i) {
    const StepTime<>& part = bars[i].predicted.parts;
    std::vector<double> row = {static_cast<double>(i)};
    double top = 0;
    for (const Seconds<> time :
         {part.compute, part.optimizer, part.waiting, part.exposed_communication, part.loader}) {
      row.push_back(top += unit * time.value());
    }
    row.push_back(unit * bars[i].predicted.low.value());
    row.push_back(unit * bars[i].predicted.high.value());
    parts.add(row);
    const int size = bars[i].at.world_size();
    ticks += (i == 0 ? "'" : ", '") + std::to_string(size) + "' " + std::to_string(i);
    for (const ScalingObservation& one : batch.observed) {
      if (one.world_size == size) {
        seen.add({static_cast<double>(i) + 0.16, unit * one.step_time_s});
      }
    }
  }
  // Boxes from the top of the stack down to 0: the later, smaller ones cover the earlier.
  struct Part {
    const char* title;
    size_t colour;
  };
  constexpr Part kParts[] = {
      {"compute", 0}, {"optimizer", 5}, {"waiting", 4}, {"exposed all-reduce", 1}, {"loader", 6}};
  std::vector<std::string> curves, key;
  for (size_t i = std::size(kParts); i-- > 0;) {
    const std::string fill = " fs solid 0.9 noborder" + line_colour(kSeries[kParts[i].colour]);
    curves.push_back(parts.name() + " using 1:" + std::to_string(i + 2) + " with boxes" + fill +
                     " notitle");
    key.insert(key.begin(),
               std::string("NaN with boxes") + fill + " title '" + kParts[i].title + "'");
  }
  curves.insert(curves.end(), key.begin(), key.end());
  curves.push_back(interval_curve(parts, "($1-0.16)", 7, 8) + line_colour(kInk) + " notitle");
  std::string blocks = parts.text();
  if (!seen.empty()) {
    blocks += seen.text();
    curves.push_back(seen.name() + " using 1:2 with points pt 7 ps 0.9" + line_colour(kInk) +
                     " title 'observed'");
  }
  return {name, scaling.model + ", global batch " + std::to_string(batch.batch),
          "What one step is made of, as predicted. The mark beside the bar's top is its 90 % "
          "interval; a dot is what was observed.",
          common_style() +
              "set key vertical maxrows 3\nset grid noxtics\nset boxwidth 0.62\nset xrange [-0.6:" +
              plot_number(static_cast<double>(bars.size()) - 0.4) + "]\nset yrange [0:*]\n" +
              "set xtics (" + ticks +
              ")\nset xlabel 'world size (ranks)'\nset ylabel 'step time (" +
              (unit > 1 ? "ms" : "s") + ")'\n" + blocks + plot_command(curves)};
}

}  // namespace forerun
