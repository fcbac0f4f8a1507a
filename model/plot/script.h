// Small parts that every gnuplot script here is made of.
#pragma once

#include <string>
#include <vector>

#include "model/plot/palette.h"

namespace forerun {

/// A number as gnuplot reads it.
std::string plot_number(double value);

/// A gnuplot data block: one row a line.
class DataBlock {
 public:
  explicit DataBlock(std::string name) : name_("$" + std::move(name)) {}
  void add(const std::vector<double>& row);
  /// Starts a new line segment.
  void gap() { rows_ += "\n"; }
  const std::string& name() const { return name_; }
  bool empty() const { return rows_.empty(); }
  /// The definition, to stand before `plot`.
  std::string text() const { return name_ + " << EOD\n" + rows_ + "EOD\n"; }

 private:
  std::string name_, rows_;
};

/// A bar with caps from column `low` to column `high` at `x`, and nothing in between. Error bars
/// would blank the place of a point even where none is drawn.
std::string interval_curve(const DataBlock& block, const std::string& x, int low, int high);

/// Joined by `, \` and a new line behind `plot`.
std::string plot_command(const std::vector<std::string>& curves);

/// ` lc rgb '#0068ac'`
std::string line_colour(const Colour& colour);

/// Axes, grid, key: the common look.
std::string common_style();

/// A world-size axis `x` or `y`: linear for a few sizes, else in doublings; a tick at each size as
/// long as they do not crowd.
struct SizeAxis {
  SizeAxis(char axis, std::vector<int> sizes);
  std::string script() const;
  /// Where the i-th of n series puts its point, so that bars stand side by side.
  double place(int size, size_t i, size_t n) const;
  bool doublings = false;
  int least = 1, most = 1;

 private:
  char axis_;
  std::vector<int> sizes_;
};

/// Ticks of a logarithmic axis in seconds, `10 µs`, `1 ms`, and its range with some air.
std::string time_axis(char axis, double least_s, double most_s);
/// Ticks of a logarithmic axis in bytes, `4 KiB`, `1 MiB`.
std::string size_axis(char axis, double least_bytes, double most_bytes);

}  // namespace forerun
