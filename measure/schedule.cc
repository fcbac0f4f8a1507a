#include "measure/schedule.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>

#include "model/statistics.h"

namespace forerun {
namespace {

constexpr double kBlockTime = 0.5;      // seconds: long against switching, short against drift
constexpr int kLeastAnswer = 3;         // steps after warm-up that are worth starting for
constexpr double kAssumedSpeed = 10e9;  // FLOP/s, until the first step says better
constexpr double kUsualBlocks = 3;      // until a question is precise, before anything is known
constexpr double kSlack = 1.05;         // expected times are medians: leave room

std::vector<double> joined(const Blocks& blocks) {
  std::vector<double> steps;
  for (const auto& block : blocks) steps.insert(steps.end(), block.begin(), block.end());
  return steps;
}

}  // namespace

Schedule::Schedule(std::vector<Question> questions, const StopGoal& goal, double deadline_s)
    : questions_(std::move(questions)),
      cheapest_first_(questions_.size()),
      states_(questions_.size()),
      goal_(goal),
      deadline_s_(deadline_s) {
  std::iota(cheapest_first_.begin(), cheapest_first_.end(), 0);
  const auto cost = [this](int i) {
    return questions_[i].flop_per_sample * questions_[i].local_batch;
  };
  std::stable_sort(cheapest_first_.begin(), cheapest_first_.end(),
                   [&](int a, int b) { return cost(a) < cost(b); });
}

void Schedule::preload(int question, Blocks blocks) {
  states_[question].earlier = std::move(blocks);
  judge();
}

Blocks Schedule::counted(int question) const {
  const State& state = states_[question];
  Blocks out = state.earlier;
  size_t drop = warmup(question);
  for (const std::vector<double>& block : state.blocks) {
    const size_t dropped = std::min(drop, block.size());
    drop -= dropped;
    if (dropped < block.size()) out.emplace_back(block.begin() + dropped, block.end());
  }
  return out;
}

std::vector<double> Schedule::samples(int question) const { return joined(counted(question)); }

/// On GPUs also the blocks before clocks and step time have settled.
int Schedule::warmup(int question) const {
  const State& state = states_[question];
  size_t unsettled = 0;
  const int blocks = unsettled_blocks(state.settling);
  for (int i = 0; i < blocks; ++i) unsettled += state.blocks[i].size();
  return std::max(warmup_steps(joined(state.blocks)), static_cast<int>(unsettled));
}

/// What one question's blocks say of drift is news to all.
void Schedule::judge() {
  std::vector<Blocks> all;
  for (size_t q = 0; q < states_.size(); ++q) all.push_back(counted(static_cast<int>(q)));
  const std::vector<double> widths = half_widths(all);
  for (size_t q = 0; q < states_.size(); ++q) states_[q].half_width = widths[q];
}

bool Schedule::precise(int question) const {
  return precise_enough(samples(question).size(), half_width(question), goal_);
}

bool Schedule::settled(int question) const {
  return states_[question].out_of_memory || left_out_.contains(question) || precise(question);
}

double Schedule::expected_step(int question) const {
  const State& own = states_[question];
  if (!own.blocks.empty()) {
    const std::vector<double> steps = joined(own.blocks);
    const int skip = std::min<int>(steps.size() - 1, 1);
    return median({steps.begin() + skip, steps.end()});
  }
  if (!own.earlier.empty()) return median(joined(own.earlier));
  // From the nearest batch of the same model, per sample; else by FLOP at the slowest speed seen.
  const Question& asked = questions_[question];
  double nearest = std::numeric_limits<double>::infinity(), estimate = 0, speed = 0;
  for (size_t i = 0; i < questions_.size(); ++i) {
    if (states_[i].blocks.empty() && states_[i].earlier.empty()) continue;
    const Question& known = questions_[i];
    const double step = expected_step(static_cast<int>(i));
    const double seen = known.flop_per_sample * known.local_batch / step;
    if (seen > 0) speed = speed > 0 ? std::min(speed, seen) : seen;
    const double distance = std::abs(std::log(double(known.local_batch) / asked.local_batch)) +
                            (known.world_size == asked.world_size ? 0 : 0.1);
    if (known.model != asked.model || distance >= nearest) continue;
    nearest = distance;
    estimate = step * std::max(1.0, double(asked.local_batch) / known.local_batch);
  }
  if (estimate > 0) return estimate;
  return asked.flop_per_sample * asked.local_batch / (speed > 0 ? speed : kAssumedSpeed);
}

/// Time still needed to give every started question its least answer.
double Schedule::open_promises() const {
  double promised = 0;
  for (size_t i = 0; i < questions_.size(); ++i) {
    const int q = static_cast<int>(i);
    if (states_[i].blocks.empty() || settled(q)) continue;
    const int missing = kLeastAnswer - static_cast<int>(samples(q).size());
    if (missing > 0) promised += missing * expected_step(q) + overhead_s_;
  }
  return promised;
}

std::optional<Block> Schedule::start_next(double now_s) {
  for (const int q : cheapest_first_) {
    if (!states_[q].blocks.empty() || settled(q)) continue;
    const double step = expected_step(q);
    const double least = (kLeastWarmup + kLeastAnswer) * step + overhead_s_;
    const double left = deadline_s_ - now_s - open_promises();
    if (least * kSlack <= left) {
      return Block{q, 0, kLeastWarmup, kLeastWarmup * step + overhead_s_};
    }
    if (joined(states_[q].earlier).size() >= kLeastAnswer) continue;  // there is an answer already
    char text[96];
    std::snprintf(text, sizeof text, "%d steps need about %.1f s, the budget has %.1f s left",
                  kLeastWarmup + kLeastAnswer, least, std::max(0.0, left));
    left_out_[q] = text;
  }
  return std::nullopt;
}

/// The turn goes to the smallest n sqrt(t), of n blocks that take t each: the sum of the relative
/// variances 1/n is least, for a given total of n t, where n is proportional to 1/sqrt(t). Source:
/// Neyman 1934.
std::optional<Block> Schedule::take_turn(double now_s) const {
  std::optional<Block> best;
  double least = std::numeric_limits<double>::infinity();
  for (const int q : cheapest_first_) {
    if (states_[q].blocks.empty() || settled(q)) continue;
    const double step = expected_step(q);
    const double known =
        static_cast<double>(counted(q).size()) * std::sqrt(std::max(step, kBlockTime));
    if (known >= least) continue;
    Block block{q, step < kColdStart ? 1 : 0, 1, 0};
    const double room = (deadline_s_ - now_s - overhead_s_) / kSlack / step - block.discard;
    if (room < 1) continue;
    block.steps = static_cast<int>(std::clamp(kBlockTime / step, 1.0, std::min(50.0, room)));
    block.expected_s = (block.discard + block.steps) * step + overhead_s_;
    best = block;
    least = known;
  }
  return best;
}

std::optional<Block> Schedule::next(double now_s) {
  if (auto block = start_next(now_s)) return block;
  return take_turn(now_s);
}

void Schedule::record(const Block& block, const std::vector<double>& step_times_s, double block_s,
                      double sm_clock_hz) {
  State& state = states_[block.question];
  if (!step_times_s.empty()) {
    state.blocks.push_back(step_times_s);
    state.settling.push_back({median(step_times_s), sm_clock_hz});
  }
  judge();
  if (step_times_s.empty() || state.blocks.size() == 1) return;
  double stepping = block.discard * median(step_times_s);
  for (const double s : step_times_s) stepping += s;
  overhead_s_ = 0.8 * overhead_s_ + 0.2 * std::max(0.0, block_s - stepping);
}

void Schedule::out_of_memory(int question) {
  const Question& failed = questions_[question];
  states_[question].out_of_memory = true;
  for (size_t i = 0; i < questions_.size(); ++i) {
    const Question& other = questions_[i];
    const int q = static_cast<int>(i);
    if (q == question || other.model != failed.model || other.strategy != failed.strategy ||
        other.world_size != failed.world_size || other.local_batch < failed.local_batch ||
        !states_[i].blocks.empty()) {
      continue;
    }
    left_out_[q] = "a smaller batch did not fit into memory";
  }
}

double Schedule::time_left(double now_s) const {
  double needed = 0;
  for (size_t i = 0; i < questions_.size(); ++i) {
    const int q = static_cast<int>(i);
    if (settled(q)) continue;
    // The width falls with the square root of the blocks.
    const double ratio = half_width(q) / goal_.relative_half_width;
    const auto blocks = static_cast<double>(counted(q).size());
    const double missing = blocks > 1 ? blocks * (ratio * ratio - 1) : kUsualBlocks;
    needed += std::max(1.0, missing) * std::max(expected_step(q), kBlockTime);
  }
  return std::clamp(deadline_s_ - now_s, 0.0, needed);
}

}  // namespace forerun
