#include "measure/progress.h"

#include <algorithm>
#include <iostream>

#include "model/io/command_line.h"

namespace forerun {

void Progress::line(const std::string& text) {
  clear();
  std::cerr << text << "\n" << std::flush;
}

void Progress::bar(double done, double left_s, const std::string& what) {
  if (!terminal_) return;
  constexpr int kWidth = 24;
  const int filled = static_cast<int>(std::clamp(done, 0.0, 1.0) * kWidth);
  clear();
  // A carriage return at the end: the line stands until the next text overwrites it.
  std::cerr << "[" << std::string(filled, '#') << std::string(kWidth - filled, '.') << "] "
            << format_duration(Seconds<>(left_s)) << " left, " << what.substr(0, 44) << "\r"
            << std::flush;
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) std::cerr << std::string(100, ' ') << "\r" << std::flush;
  drawn_ = false;
}

}  // namespace forerun
