// How good the predictions were, in numbers and in plain words.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "predict/report/report_data.h"

namespace forerun {

/// Over the checks that count (see RunCheck::counts).
struct Skill {
  int configurations = 0;
  int refused = 0;                       ///< run, but no prediction was made
  int measured_before = 0;               ///< run, but also fitted
  int inside = 0;                        ///< of the 90 % interval
  double ape_median = 0, ape_worst = 0;  ///< |predicted/observed - 1|
  int most_ranks = 0;                    ///< largest world size checked

  /// A naive baseline on the same configurations; `configurations` of them could be had.
  struct Baseline {
    int configurations = 0;
    double ape_median = 0, ape_worst = 0;
  };
  std::map<std::string, Baseline> naive;  ///< by the names of calib/naive.h
};

Skill measure_skill(const std::vector<RunCheck>& checks);

/// "12 configurations that were not measured before: median error 3.1 %, worst 7.0 %, 11 of 12
/// inside the 90 % interval." Without any: that nothing was checked.
std::string headline(const Skill& skill);

enum class Trust { kUnchecked, kPoor, kFair, kGood };

struct Verdict {
  Trust trust = Trust::kUnchecked;
  std::string title;  ///< a few words
  std::string text;   ///< one or two sentences
};

/// How far to trust predictions on this machine.
///
/// Good: at least 4 configurations, median error at most 5 %, at least 80 % inside their 90 %
/// interval, no baseline better. Poor: median error above 15 %, or half or more outside. Else fair.
Verdict judge(const Skill& skill);

/// `3.1 %`
std::string format_percent(double share);

}  // namespace forerun
