#include "measure/disturbance.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

namespace forerun {
namespace {

double cpu_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

bool is_disturbed(const std::vector<RankSteps>& ranks, size_t step) {
  return std::ranges::any_of(ranks, [step](const RankSteps& rank) {
    return step < rank.taken_s.size() && step < rank.step_time_s.size() &&
           rank.taken_s[step] > kDisturbedShare * rank.step_time_s[step];
  });
}

constexpr std::vector<double> RankSteps::*kSeries[] = {
    &RankSteps::load_s,         &RankSteps::forward_s,   &RankSteps::backward_s,
    &RankSteps::exposed_comm_s, &RankSteps::optimizer_s, &RankSteps::step_time_s,
    &RankSteps::taken_s,        &RankSteps::block};

void append(const std::vector<RankSteps>& from, std::vector<RankSteps>& to) {
  for (size_t r = 0; r < std::min(from.size(), to.size()); ++r) {
    for (const auto series : kSeries) {
      const std::vector<double>& more = from[r].*series;
      (to[r].*series).insert((to[r].*series).end(), more.begin(), more.end());
    }
  }
}

/// The steps of `ranks` that are disturbed, or those that are not.
std::vector<RankSteps> pick(const std::vector<RankSteps>& ranks, bool disturbed) {
  std::vector<RankSteps> out;
  for (const RankSteps& rank : ranks) {
    RankSteps kept{.rank = rank.rank, .host = rank.host};
    if (!disturbed) {  // what is not a series of these steps stays where it is
      kept.quiet_backward_s = rank.quiet_backward_s;
      kept.quiet_comm_s = rank.quiet_comm_s;
      kept.timeline = rank.timeline;
    }
    for (const auto series : kSeries) {
      for (size_t step = 0; step < (rank.*series).size(); ++step) {
        if (is_disturbed(ranks, step) == disturbed) {
          (kept.*series).push_back((rank.*series)[step]);
        }
      }
    }
    out.push_back(std::move(kept));
  }
  return out;
}

}  // namespace

TakenTime::TakenTime() : file_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {
  last_ = read();
}

TakenTime::~TakenTime() {
  if (file_ >= 0) ::close(file_);
}

TakenTime::Reading TakenTime::read() const {
  char text[96] = {};
  if (file_ < 0 || ::pread(file_, text, sizeof text - 1, 0) <= 0) return {};
  char* end = text;
  std::strtoull(text, &end, 10);  // time on a processor, then time ready for one, both in ns
  return {1e-9 * static_cast<double>(std::strtoull(end, nullptr, 10)),
          cpu_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu_clock(CLOCK_THREAD_CPUTIME_ID)};
}

double TakenTime::lap_s() {
  const Reading now = read();
  const double waited = now.delay_s - last_.delay_s;
  const double ours = now.own_s - last_.own_s;
  last_ = now;
  return std::max(0.0, waited - ours);
}

void set_disturbed_apart(MeasuredConfiguration& measured) {
  append(measured.disturbed, measured.ranks);
  measured.disturbed.clear();
  if (measured.ranks.empty()) return;
  const size_t steps = measured.ranks.front().step_time_s.size();
  const size_t disturbed = disturbed_steps(measured.ranks);
  if (disturbed == 0 || steps - disturbed < kLeastUndisturbed) return;
  measured.disturbed = pick(measured.ranks, true);
  measured.ranks = pick(measured.ranks, false);
}

size_t disturbed_steps(const std::vector<RankSteps>& ranks) {
  size_t count = 0;
  const size_t steps = ranks.empty() ? 0 : ranks.front().step_time_s.size();
  for (size_t step = 0; step < steps; ++step) count += is_disturbed(ranks, step) ? 1 : 0;
  return count;
}

}  // namespace forerun
