#include "model/plot/script.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace forerun {
namespace {

constexpr size_t kMostTicks = 12;

std::string range_text(char axis, double from, double to) {
  return std::string("set ") + axis + "range [" + plot_number(from) + ":" + plot_number(to) + "]\n";
}

struct Tick {
  double value;
  std::string label;  ///< empty: a minor one
};

std::string tick_text(char axis, const std::vector<Tick>& ticks) {
  std::string out = std::string("set ") + axis + "tics (";
  for (size_t i = 0; i < ticks.size(); ++i) {
    out += (i == 0 ? "'" : ", '") + ticks[i].label + "' " + plot_number(ticks[i].value) +
           (ticks[i].label.empty() ? " 1" : "");
  }
  return out + ")\n";
}

std::string time_label(double seconds) {
  char out[32];
  const double s = seconds * (1 + 1e-9);
  if (s < 1e-3) {
    std::snprintf(out, sizeof out, "%.3g µs", s * 1e6);
  } else if (s < 1) {
    std::snprintf(out, sizeof out, "%.3g ms", s * 1e3);
  } else {
    std::snprintf(out, sizeof out, "%.4g s", s);
  }
  return out;
}

std::string size_label(double bytes) {
  char out[32];
  if (bytes < 1024) {
    std::snprintf(out, sizeof out, "%.0f B", bytes);
  } else if (bytes < 1048576) {
    std::snprintf(out, sizeof out, "%.0f KiB", bytes / 1024);
  } else if (bytes < 1073741824) {
    std::snprintf(out, sizeof out, "%.0f MiB", bytes / 1048576);
  } else {
    std::snprintf(out, sizeof out, "%.0f GiB", bytes / 1073741824);
  }
  return out;
}

}  // namespace

std::string plot_number(double value) {
  char out[32];
  std::snprintf(out, sizeof out, "%.9g", value);
  return out;
}

void DataBlock::add(const std::vector<double>& row) {
  for (const double value : row) rows_ += plot_number(value) + " ";
  rows_ += "\n";
}

std::string interval_curve(const DataBlock& block, const std::string& x, int low, int high) {
  const std::string from = std::to_string(low), to = std::to_string(high);
  return block.name() + " using " + x + ":" + from + ":(0):($" + to + "-$" + from +
         ") with vectors heads size screen 0.008,90 fixed nofilled lw 1.6";
}

std::string plot_command(const std::vector<std::string>& curves) {
  std::string out = "plot ";
  for (size_t i = 0; i < curves.size(); ++i) out += (i == 0 ? "" : ", \\\n     ") + curves[i];
  return out + "\n";
}

std::string line_colour(const Colour& colour) { return " lc rgb '" + colour.hex() + "'"; }

std::string common_style() {
  const std::string text = " tc rgb '" + kInk.hex() + "'";
  return "set encoding utf8\n"
         "set border 3" +
         line_colour(kMuted) +
         " lw 1\n"
         "set tics nomirror out scale 0.6" +
         text +
         "\n"
         "set grid xtics ytics back lt 1 dt 1 lw 0.8" +
         line_colour(kGrid) +
         "\n"
         "set key tmargin left horizontal Left reverse samplen 1.6 width 1" +
         text +
         "\n"
         "set errorbars 1.6\nset pointintervalbox 0\n"
         "set lmargin 10.5\nset rmargin 3\n"
         "set xlabel" +
         text + "\nset ylabel" + text + " offset 0.5,0\n";
}

SizeAxis::SizeAxis(char axis, std::vector<int> sizes) : axis_(axis), sizes_(std::move(sizes)) {
  std::sort(sizes_.begin(), sizes_.end());
  sizes_.erase(std::unique(sizes_.begin(), sizes_.end()), sizes_.end());
  if (sizes_.empty()) sizes_ = {1};
  least = sizes_.front();
  most = sizes_.back();
  doublings = most > 8 * least;
}

double SizeAxis::place(int size, size_t i, size_t n) const {
  const double aside = static_cast<double>(i) - (static_cast<double>(n) - 1) / 2;
  if (doublings) return size * std::pow(2.0, aside * std::log2(most / least) * 0.012);
  return size + aside * std::max(1, most - least) * 0.018;
}

std::string SizeAxis::script() const {
  std::vector<Tick> ticks;
  // Of a crowd, the powers of two stay.
  const bool crowded = sizes_.size() > kMostTicks ||
                       (doublings && sizes_.size() > 2 + std::log2(most / least) * 1.5);
  for (const int size : sizes_) {
    if (!crowded || (size & (size - 1)) == 0) ticks.push_back({1.0 * size, std::to_string(size)});
  }
  const double air = std::max(1, most - least) * 0.12;
  return (doublings ? std::string("set logscale ") + axis_ + " 2\n" +
                          range_text(axis_, least / 1.25, most * 1.25)
                    : range_text(axis_, least - air, most + air)) +
         tick_text(axis_, ticks);
}

std::string time_axis(char axis, double least_s, double most_s) {
  const double from = least_s / 1.3, to = most_s * 1.3;
  const double decades = std::log10(to / from);
  std::vector<Tick> ticks;
  for (int power = -7; power <= 6; ++power) {
    for (const double digit : {1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0}) {
      const double value = digit * std::pow(10.0, power);
      if (value < from || value > to) continue;
      // Close ones only where the axis is so short that they are all there is.
      const bool labelled = digit == 1 || (decades < 2.2 && (digit == 2 || digit == 5)) ||
                            (decades < 0.8 && (digit == 1.5 || digit == 3 || digit == 7));
      if (labelled || digit != 1.5) ticks.push_back({value, labelled ? time_label(value) : ""});
    }
  }
  return std::string("set logscale ") + axis + " 10\n" + range_text(axis, from, to) +
         tick_text(axis, ticks);
}

std::string size_axis(char axis, double least_bytes, double most_bytes) {
  const int first = static_cast<int>(std::floor(std::log2(least_bytes)));
  const int last = static_cast<int>(std::ceil(std::log2(most_bytes)));
  const int stride = last - first > 10 ? 4 : last - first > 5 ? 2 : 1;
  std::vector<Tick> ticks;
  for (int power = first; power <= last; ++power) {
    const double value = std::pow(2.0, power);
    ticks.push_back({value, power % stride == 0 ? size_label(value) : ""});
  }
  return std::string("set logscale ") + axis + " 2\n" +
         range_text(axis, least_bytes / 1.5, most_bytes * 1.5) + tick_text(axis, ticks);
}

}  // namespace forerun
