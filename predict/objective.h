// What the user wants of a configuration.
#pragma once

#include <string>
#include <string_view>

namespace forerun {

struct Objective {
  enum class Kind {
    kBalanced,   ///< the fastest with an efficiency of at least 50 %
    kFastest,    ///< the shortest run
    kCheapest,   ///< the fewest GPU hours
    kEfficient,  ///< most GPUs with an efficiency of at least `limit` (0..1)
    kDeadline,   ///< the cheapest that is done within `limit` seconds
    kBudget,     ///< the fastest that costs at most `limit`
  };
  Kind kind = Kind::kBalanced;
  double limit = 0.5;

  /// As parse_objective() reads it: `efficient:70`.
  std::string text() const;
  bool needs_run_length() const { return kind == Kind::kDeadline || kind == Kind::kBudget; }
};

/// `balanced`, `fastest`, `cheapest`, `efficient[:PERCENT]` (70), `deadline:TIME`, `budget:MONEY`.
/// Throws UsageError, naming these, on anything else.
Objective parse_objective(std::string_view text);

}  // namespace forerun
