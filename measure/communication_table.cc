#include "measure/communication_table.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "measure/stop_rule.h"
#include "model/io/command_line.h"
#include "model/io/wording.h"

namespace forerun {
namespace {

std::string time_cell(const MedianEstimate& e) {
  return format_duration(Seconds<>(e.median)) + " (" +
         format_interval(Seconds<>(e.low), Seconds<>(e.high)) + ")";
}

std::string factor_cell(const MedianEstimate& e) {
  return factor(e.median) + " (" + factor(e.low) + "-" + factor(e.high) + ")";
}

/// `missing`: why there is no figure, where nothing else is known.
template <class Cell>
std::string cell(const std::optional<MedianEstimate>& figure, const MeasuredConfiguration& c,
                 size_t samples, const char* missing, Cell text) {
  if (figure) return text(*figure);
  if (static_cast<int>(c.ranks.size()) < c.at.world_size()) return "no: one process";
  return samples < 2 ? "no: too few steps" : missing;
}

size_t timed_steps(const RankSteps& rank) {
  return rank.timeline.empty() ? 0 : rank.timeline.front().end_s.size();
}

std::string row(const MeasuredConfiguration& c) {
  const RankSteps& rank = c.ranks.front();
  const CommunicationFigures& f = c.communication;
  const size_t steps = rank.step_time_s.size(), quiet = rank.quiet_backward_s.size();
  return formatted(
      "  %-12s  %5d  %5d  %-24s  %-24s  %-18s  %s\n", c.at.strategy.c_str(), c.at.world_size(),
      c.at.local_batch, cell(f.exposed_s, c, steps, "no", time_cell).c_str(),
      cell(f.waiting_s, c, steps, "no", time_cell).c_str(),
      cell(f.slower_inside, c, timed_steps(rank), "no: not swept", factor_cell).c_str(),
      cell(f.slows_compute, c, quiet, "no", factor_cell).c_str());
}

}  // namespace

std::string communication_table(const WorkloadProfile& workload) {
  std::vector<const MeasuredConfiguration*> rows;
  for (const MeasuredConfiguration& c : workload.configurations) {
    if (c.at.world_size() > 1 && !c.ranks.empty()) rows.push_back(&c);
  }
  if (rows.empty()) {
    const bool alone =
        !workload.configurations.empty() &&
        std::ranges::all_of(workload.configurations,
                            [](const MeasuredConfiguration& c) { return c.at.world_size() == 1; });
    return alone ? "  communication: not measured (one rank)\n" : "";
  }
  std::ranges::sort(rows, [](const auto* a, const auto* b) {
    return std::tuple(a->at.world_size(), a->at.local_batch, a->at.strategy) <
           std::tuple(b->at.world_size(), b->at.local_batch, b->at.strategy);
  });
  std::string text =
      "  communication ranks  local  exposed                   waiting                   "
      "collectives         backward\n";
  for (const MeasuredConfiguration* c : rows) text += row(*c);
  return text;
}

std::string communication_legend() {
  return formatted(
      "exposed: the longest that any rank stood still; waiting: its compute beyond the mean of "
      "all;\ncollectives: their time inside training over alone; backward: its time beside them "
      "over alone.\nIn brackets the 95 %% confidence interval of the median; of fewer than %zu "
      "steps the smallest and largest.\n",
      kLeastSamples);
}

}  // namespace forerun
