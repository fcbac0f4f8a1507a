// One training step played through, event by event: gradients become ready while backward computes,
// buckets of them travel over links, and the step waits for what backward does not hide. Exact
// where bucket times are known; overlap.h is its summary where they are not.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "model/collective.h"
#include "model/error.h"
#include "model/units.h"

namespace forerun {

/// What a bucket occupies, alone: `link` for `time`. A hierarchical all-reduce is three of them
/// (inside the nodes, between them, inside again).
template <class T = double>
struct TimelineStage {
  int link = 0;  ///< any number >= 0; a link carries one bucket at a time, in order
  Seconds<T> time;
};

/// Gradients that travel together. `ready` counts from the start of backward, as it is when nothing
/// disturbs backward, on the slowest rank.
template <class T = double>
struct TimelineBucket {
  Seconds<T> ready;
  std::vector<TimelineStage<T>> stages;
};

/// A step before it is played.
template <class T = double>
struct TimelineStep {
  Seconds<T> forward, backward, optimizer;
  std::vector<TimelineBucket<T>> buckets;  ///< in order of launch
  /// A collective takes this times as long while backward computes ...
  T collective_slowdown = T(1);
  /// ... and backward this times as long while a collective runs: on CPUs it needs a core.
  T compute_slowdown = T(1);
};

/// When a bucket was ready, and when its first stage began and its last one ended.
template <class T = double>
struct TimelineSpan {
  Seconds<T> ready, start, end;
};

/// A step that was played. Times count from the start of backward.
template <class T = double>
struct Timeline {
  std::vector<TimelineSpan<T>> buckets;
  Seconds<T> backward_end;
  Seconds<T> communication_end;      ///< backward_end where nothing travels
  Seconds<T> exposed_communication;  ///< between the two
  Seconds<T> step_time;              ///< with forward before and the optimizer after
};

namespace internal {

/// The state of play. Between two events everything goes on at a constant rate.
template <class T>
class TimelineGame {
 public:
  TimelineGame(const TimelineStep<T>& step, Timeline<T>& out) : step_(step), out_(out) {
    out_.buckets.assign(step.buckets.size(), {});
    stage_.assign(step.buckets.size(), 0);
    left_.assign(step.buckets.size(), T(0));
    int links = 0;
    for (const TimelineBucket<T>& bucket : step.buckets) {
      for (const TimelineStage<T>& stage : bucket.stages) links = std::max(links, stage.link + 1);
    }
    carries_.assign(links, kNone);
  }

  void play() {
    settle();
    while (!over()) {
      advance();
      settle();
    }
    out_.communication_end = out_.backward_end;
    for (const TimelineSpan<T>& span : out_.buckets) {
      if (span.end > out_.communication_end) out_.communication_end = span.end;
    }
    out_.exposed_communication = out_.communication_end - out_.backward_end;
    out_.step_time = step_.forward + out_.communication_end + step_.optimizer;
  }

 private:
  static constexpr int kNone = -1;

  bool over() const { return backward_over_ && finished_ == step_.buckets.size(); }
  bool done(size_t b) const { return stage_[b] == step_.buckets[b].stages.size(); }

  /// Everything that happens at this moment.
  void settle() {
    if (!backward_over_ && !(computed_ < step_.backward.value())) {
      backward_over_ = true;
      out_.backward_end = Seconds<T>(now_);
    }
    // Launched strictly in order. Whatever is not ready by the end of backward is so then.
    while (launched_ < step_.buckets.size() &&
           (backward_over_ || !(computed_ < step_.buckets[launched_].ready.value()))) {
      out_.buckets[launched_].ready = Seconds<T>(now_);
      enter(launched_++);
    }
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t l = 0; l < carries_.size(); ++l) moved |= carries_[l] == kNone && load(l);
    }
  }

  /// A bucket at its next stage, or at its end.
  void enter(size_t b) {
    if (stage_[b] == 0) out_.buckets[b].start = Seconds<T>(now_);
    if (!done(b)) {
      left_[b] = step_.buckets[b].stages[stage_[b]].time.value();
      return;
    }
    out_.buckets[b].end = Seconds<T>(now_);
    ++finished_;
  }

  /// The first bucket that waits for a free link gets it.
  bool load(size_t link) {
    for (size_t b = first_unfinished_; b < launched_; ++b) {
      if (done(b)) continue;
      if (step_.buckets[b].stages[stage_[b]].link != static_cast<int>(link)) continue;
      if (stage_[b] == 0) out_.buckets[b].start = Seconds<T>(now_);
      carries_[link] = static_cast<int>(b);
      ++busy_;
      return true;
    }
    return false;
  }

  /// To the next event.
  void advance() {
    const T compute_rate = busy_ > 0 ? T(1) / step_.compute_slowdown : T(1);
    const T link_rate = backward_over_ ? T(1) : T(1) / step_.collective_slowdown;
    bool found = false;
    T step(0);
    const auto earliest = [&](const T& time) {
      if (!found || time < step) step = time;
      found = true;
    };
    T goal = step_.backward.value();
    if (!backward_over_) {
      if (launched_ < step_.buckets.size() && step_.buckets[launched_].ready.value() < goal) {
        goal = step_.buckets[launched_].ready.value();
      }
      earliest((goal - computed_) / compute_rate);
    }
    for (const int b : carries_) {
      if (b != kNone) earliest(left_[b] / link_rate);
    }
    // What ends now ends exactly: no rest of rounding is waited for.
    if (!backward_over_) {
      const bool reached = !(step < (goal - computed_) / compute_rate);
      computed_ = reached ? goal : computed_ + step * compute_rate;
    }
    now_ = now_ + step;
    for (int& b : carries_) {
      if (b == kNone) continue;
      if (left_[b] / link_rate > step) {
        left_[b] = left_[b] - step * link_rate;
        continue;
      }
      ++stage_[b];
      --busy_;
      const int moved = b;
      b = kNone;
      enter(moved);
    }
    while (first_unfinished_ < launched_ && done(first_unfinished_)) ++first_unfinished_;
  }

  const TimelineStep<T>& step_;
  Timeline<T>& out_;
  T now_ = T(0);
  T computed_ = T(0);  // of backward
  bool backward_over_ = false;
  size_t launched_ = 0, finished_ = 0, first_unfinished_ = 0;
  int busy_ = 0;               // links
  std::vector<size_t> stage_;  // of each bucket
  std::vector<T> left_;        // of the stage it is in
  std::vector<int> carries_;   // bucket on each link
};

}  // namespace internal

/// Plays a step. `out` may be used again and again. A bucket without stages costs nothing. Throws
/// Error if a time or link is negative.
template <class T>
void play_step(const TimelineStep<T>& step, Timeline<T>& out) {
  const auto require = [](bool good) {
    if (!good) throw Error("timeline: times and links must be >= 0, slowdowns > 0");
  };
  require(!(step.forward.value() < T(0) || step.backward.value() < T(0) ||
            step.optimizer.value() < T(0)));
  require(step.collective_slowdown > T(0) && step.compute_slowdown > T(0));
  for (const TimelineBucket<T>& bucket : step.buckets) {
    require(!(bucket.ready.value() < T(0)));
    for (const TimelineStage<T>& stage : bucket.stages) {
      require(!(stage.time.value() < T(0)) && stage.link >= 0);
    }
  }
  internal::TimelineGame<T>(step, out).play();
}

template <class T>
Timeline<T> play_step(const TimelineStep<T>& step) {
  Timeline<T> out;
  play_step(step, out);
  return out;
}

/// Buckets of strategy `ddp` on a placement: one stage each, the all-reduce of the whole bucket.
/// `sizes` and `ready` are of equal length. Throws Error otherwise.
template <class T>
std::vector<TimelineBucket<T>> allreduce_buckets(std::span<const Bytes<>> sizes,
                                                 std::span<const Seconds<T>> ready,
                                                 const Network<T>& network,
                                                 const Placement& placement) {
  if (sizes.size() != ready.size()) {
    throw Error("timeline: " + std::to_string(sizes.size()) + " buckets with " +
                std::to_string(ready.size()) + " ready times");
  }
  std::vector<TimelineBucket<T>> buckets;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const Bytes<T> size(T(sizes[i].value()));
    const Seconds<T> time =
        placement.world_size() == 1 ? Seconds<T>(T(0)) : allreduce_time(network, size, placement);
    buckets.push_back({ready[i], {{placement.nodes() > 1 ? 1 : 0, time}}});
  }
  return buckets;
}

}  // namespace forerun
