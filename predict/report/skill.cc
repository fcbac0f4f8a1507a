#include "predict/report/skill.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <tuple>

#include "model/io/wording.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr int kEnoughChecks = 4;       // fewer say little about a 90 % interval
constexpr double kGoodError = 0.05;    // the aim for configurations inside the measured range
constexpr double kPoorError = 0.15;    // a wrong choice between neighbours becomes likely
constexpr double kGoodCoverage = 0.8;  // of a nominal 0.9, with room for a dozen checks
constexpr double kPoorCoverage = 0.5;

/// Median and worst of some errors; 0 for none.
std::pair<double, double> median_and_worst(const std::vector<double>& errors) {
  if (errors.empty()) return {0, 0};
  return {median(errors), *std::max_element(errors.begin(), errors.end())};
}

std::map<std::string, Skill::Baseline> measure_baselines(const std::vector<RunCheck>& checks) {
  std::map<std::string, std::vector<double>> errors;
  for (const RunCheck& c : checks) {
    if (!c.counts()) continue;
    for (const auto& [name, time] : c.naive_s) {
      errors[name].push_back(std::fabs(time / c.observed_s - 1));
    }
  }
  std::map<std::string, Skill::Baseline> out;
  for (const auto& [name, list] : errors) {
    const auto [median, worst] = median_and_worst(list);
    out[name] = {static_cast<int>(list.size()), median, worst};
  }
  return out;
}

/// Only a baseline that answers for every configuration can win.
bool loses_to_a_baseline(const Skill& skill) {
  return std::any_of(skill.naive.begin(), skill.naive.end(), [&](const auto& named) {
    return named.second.configurations == skill.configurations &&
           named.second.ape_median < skill.ape_median;
  });
}

}  // namespace

std::string format_percent(double share) {
  char out[32];
  std::snprintf(out, sizeof out, std::fabs(share) < 0.0995 ? "%.1f %%" : "%.0f %%", share * 100);
  return out;
}

Skill measure_skill(const std::vector<RunCheck>& checks) {
  Skill skill;
  std::vector<double> errors;
  for (const RunCheck& c : checks) {
    skill.measured_before += c.measured_before;
    skill.refused += !c.measured_before && !c.predicted.refused.empty();
    if (!c.counts()) continue;
    errors.push_back(std::fabs(c.relative_error()));
    skill.inside += c.inside();
    skill.most_ranks = std::max(skill.most_ranks, c.at.world_size());
  }
  skill.configurations = static_cast<int>(errors.size());
  std::tie(skill.ape_median, skill.ape_worst) = median_and_worst(errors);
  skill.naive = measure_baselines(checks);
  return skill;
}

std::string headline(const Skill& skill) {
  const int n = skill.configurations;
  if (n == 0) return "No prediction has been checked against a run yet.";
  if (n == 1) {
    return "1 configuration that was not measured before: error " +
           format_percent(skill.ape_worst) + ", " + (skill.inside == 1 ? "inside" : "outside") +
           " the 90 % interval.";
  }
  return std::to_string(n) + " configurations that were not measured before: median error " +
         format_percent(skill.ape_median) + ", worst " + format_percent(skill.ape_worst) + ", " +
         std::to_string(skill.inside) + " of " + std::to_string(n) + " inside the 90 % interval.";
}

Verdict judge(const Skill& skill) {
  const int n = skill.configurations;
  if (n == 0) {
    return {Trust::kUnchecked, "Not checked",
            "Treat every prediction below as a hypothesis until a run has been compared with it."};
  }
  const double coverage = static_cast<double>(skill.inside) / n;
  const std::string where = "up to " + count(skill.most_ranks, "rank");
  if (skill.ape_median > kPoorError || (n > 1 && coverage <= kPoorCoverage)) {
    return {Trust::kPoor, "Do not rely on it",
            skill.ape_median > kPoorError
                ? "The predictions miss by too much to choose by. Measure closer to what you want "
                  "to run, on a quieter machine, then report again."
                : "The intervals promise more than they hold: half or more of the runs fell "
                  "outside. Measure again, longer or on a quieter machine."};
  }
  if (loses_to_a_baseline(skill)) {
    return {Trust::kFair, "Usable, but a naive guess did as well",
            std::string(skill.ape_median <= kGoodError ? "Errors are small, yet a" : "A") +
                " baseline without any model came closer on the same runs: what was checked " +
                where + " was not hard to predict."};
  }
  if (n < kEnoughChecks) {
    return {Trust::kFair, "Promising, hardly checked",
            "Only " + count(n, "configuration") +
                " checked: enough to spot a blunder, too few "
                "to trust the intervals."};
  }
  if (skill.ape_median <= kGoodError && coverage >= kGoodCoverage) {
    return {Trust::kGood, "Trust it inside its reach",
            "Checked " + where +
                ": good enough to choose a configuration by, and to plan time "
                "and cost with the interval given."};
  }
  return {Trust::kFair, "Trust the ranking, not the last percent",
          "Checked " + where +
              ": good enough to compare configurations that differ clearly; "
              "plan time and cost with more room than the interval gives."};
}

}  // namespace forerun
