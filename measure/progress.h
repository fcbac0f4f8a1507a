// What the user sees while measuring, on standard error.
#pragma once

#include <string>

namespace forerun {

/// On a terminal a bar with the time left; elsewhere only lines.
class Progress {
 public:
  explicit Progress(bool terminal) : terminal_(terminal) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  void line(const std::string& text);
  /// `done` 0..1.
  void bar(double done, double left_s, const std::string& what);
  void clear();

 private:
  bool terminal_;
  bool drawn_ = false;
};

}  // namespace forerun
