#include "predict/recommend.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/io/command_line.h"
#include "model/io/wording.h"
#include "model/noise_scale.h"

namespace forerun {
namespace {

using Kind = Objective::Kind;

Score scaled(const Candidate& c, double factor) {
  return {factor * c.prediction.step_time.value(), factor * c.prediction.low.value(),
          factor * c.prediction.high.value()};
}

class Choice {
 public:
  Choice(const std::vector<Candidate>& candidates, const Question& question, const Subject& subject)
      : candidates_(candidates), question_(question), subject_(subject) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (candidates[i].feasible && candidates[i].predicted) usable_.push_back(i);
    }
  }

  std::optional<Recommendation> make() {
    if (usable_.empty()) return std::nullopt;
    choose();
    explain();
    const Candidate& c = chosen();
    out_.dominant = dominant_terms(c.prediction.parts);
    return std::move(out_);
  }

 private:
  using Scorer = Score (*)(const Candidate&, const Question&, const Subject&);

  const Candidate& chosen() const { return candidates_[out_.candidate]; }
  Score score(Scorer scorer, size_t i) const { return scorer(candidates_[i], question_, subject_); }

  template <class Keep>
  std::vector<size_t> those(Keep keep) const {
    std::vector<size_t> out;
    for (const size_t i : usable_) {
      if (keep(candidates_[i])) out.push_back(i);
    }
    return out;
  }

  /// Takes the best of `among`, or the one with the fewest GPUs of those that tie with it.
  void take_least(const std::vector<size_t>& among, Scorer scorer) {
    best_ = *std::min_element(among.begin(), among.end(), [&](size_t a, size_t b) {
      return score(scorer, a).value < score(scorer, b).value;
    });
    out_.candidate = best_;
    std::vector<size_t> tied;
    for (const size_t i : among) {
      if (i == best_ || score(scorer, i).ties_with(score(scorer, best_))) tied.push_back(i);
    }
    for (const size_t i : tied) {
      const auto key = [&](size_t k) {
        return std::pair(candidates_[k].at.world_size(), score(scorer, k).value);
      };
      if (key(i) < key(out_.candidate)) out_.candidate = i;
    }
    for (const size_t i : tied) {
      if (i != out_.candidate) out_.ties.push_back(i);
    }
  }

  void choose() {
    const Objective& o = question_.objective;
    switch (o.kind) {
      case Kind::kFastest:
        return take_least(usable_, time_score);
      case Kind::kCheapest:
        return take_least(usable_, cost_score);
      case Kind::kBalanced:
        return choose_efficient(false);
      case Kind::kEfficient:
        return choose_efficient(true);
      case Kind::kDeadline:
        return choose_within_deadline();
      case Kind::kBudget:
        return choose_within_budget();
    }
  }

  void choose_efficient(bool most_gpus) {
    auto enough =
        those([&](const Candidate& c) { return c.efficiency >= question_.objective.limit - 1e-9; });
    if (enough.empty()) {
      out_.meets_objective = false;
      out_.candidate = *std::max_element(usable_.begin(), usable_.end(), [&](size_t a, size_t b) {
        return candidates_[a].efficiency < candidates_[b].efficiency;
      });
      best_ = out_.candidate;
      return;
    }
    if (most_gpus) {
      int most = 0;
      for (const size_t i : enough) most = std::max(most, candidates_[i].at.world_size());
      std::erase_if(enough, [&](size_t i) { return candidates_[i].at.world_size() < most; });
    }
    take_least(enough, time_score);
  }

  void choose_within_deadline() {
    const double limit = question_.objective.limit;
    auto sure = those([&](const Candidate& c) { return slowest_run(c) <= limit; });
    if (sure.empty()) {
      sure = those([&](const Candidate& c) { return *c.time_s <= limit; });
      only_likely_ = !sure.empty();
    }
    out_.meets_objective = !sure.empty();
    if (sure.empty()) return take_least(usable_, time_score);
    take_least(sure, cost_score);
  }

  void choose_within_budget() {
    const auto within =
        those([&](const Candidate& c) { return *c.cost <= question_.objective.limit; });
    out_.meets_objective = !within.empty();
    if (within.empty()) return take_least(usable_, cost_score);
    take_least(within, time_score);
  }

  /// The run's time at the slow end of the interval.
  static double slowest_run(const Candidate& c) {
    return *c.time_s * (c.prediction.high / c.prediction.step_time);
  }

  std::string units(int n) const { return count(n, subject_.unit()); }

  void explain() {
    const Candidate& c = chosen();
    std::string& why = out_.reason;
    why = units(c.at.world_size()) + ": ";
    if (c.at.world_size() == c.baseline_gpus) {
      why += c.baseline_gpus == 1 ? "the baseline"
                                  : "the smallest that can be predicted, taken as the baseline";
    } else {
      why += factor(c.speedup) + "x the throughput of " + std::to_string(c.baseline_gpus) + " at " +
             percent(c.efficiency) + " efficiency";
    }
    explain_objective();
    explain_ties();
    explain_neighbour();
  }

  void explain_objective() {
    const Objective& o = question_.objective;
    const Candidate& c = chosen();
    std::string& why = out_.reason;
    const bool met = out_.meets_objective;
    switch (o.kind) {
      case Kind::kFastest:
      case Kind::kCheapest:
        why += ", the " + o.text();
        break;
      case Kind::kBalanced:
      case Kind::kEfficient:
        why += met ? (o.kind == Kind::kBalanced ? ", the fastest at " : ", the most at ") +
                         percent(o.limit) + " or better"
                   : "; none reaches " + percent(o.limit) + ", this is the most efficient";
        break;
      case Kind::kDeadline:
        why += !met ? "; none is done within " + format_duration(Seconds<>(o.limit)) +
                          ", this is the fastest"
                    : ", the cheapest done within " + format_duration(Seconds<>(o.limit)) +
                          (only_likely_
                               ? " by the estimate, though not at the slow end of the interval (" +
                                     format_duration(Seconds<>(slowest_run(c))) + ")"
                               : "");
        break;
      case Kind::kBudget:
        why += met ? ", the fastest within a budget of " + significant(o.limit)
                   : "; none costs at most " + significant(o.limit) + ", this is the cheapest";
        break;
    }
  }

  void explain_ties() {
    std::vector<int> gpus;
    for (const size_t i : out_.ties) {
      const int n = candidates_[i].at.world_size();
      if (n != chosen().at.world_size()) gpus.push_back(n);
    }
    if (gpus.empty()) return;
    std::sort(gpus.begin(), gpus.end());
    gpus.erase(std::unique(gpus.begin(), gpus.end()), gpus.end());
    out_.reason += "; a tie with " + in_runs(gpus) + " within the interval, so the fewest";
  }

  /// What the next larger count would bring, at its best batch.
  void explain_neighbour() {
    const Candidate& c = chosen();
    std::optional<size_t> next;
    for (const size_t i : usable_) {
      const int n = candidates_[i].at.world_size();
      if (n <= c.at.world_size()) continue;
      if (!next || n < candidates_[*next].at.world_size() ||
          (n == candidates_[*next].at.world_size() &&
           score(time_score, i).value < score(time_score, *next).value)) {
        next = i;
      }
    }
    if (!next) return;
    const double gain =
        score(time_score, out_.candidate).value / score(time_score, *next).value - 1;
    out_.reason += "; " + std::to_string(candidates_[*next].at.world_size()) + " would " +
                   (gain >= 0.005    ? "add " + percent(gain)
                    : gain <= -0.005 ? "give " + percent(-gain) + " less"
                                     : "add nothing");
  }

  const std::vector<Candidate>& candidates_;
  const Question& question_;
  const Subject& subject_;
  std::vector<size_t> usable_;
  size_t best_ = 0;
  bool only_likely_ = false;
  Recommendation out_;
};

}  // namespace

Score time_score(const Candidate& c, const Question& question, const Subject& subject) {
  double factor = 1.0 / static_cast<double>(c.global_batch);
  if (question.vary_batch && subject.workload.noise_scale) {
    factor *= relative_samples(static_cast<double>(c.global_batch), *subject.workload.noise_scale);
  }
  return scaled(c, factor);
}

Score cost_score(const Candidate& c, const Question& question, const Subject& subject) {
  const Score time = time_score(c, question, subject);
  const double gpus = c.at.world_size();
  return {time.value * gpus, time.low * gpus, time.high * gpus};
}

std::optional<Recommendation> recommend(const std::vector<Candidate>& candidates,
                                        const Question& question, const Subject& subject) {
  return Choice(candidates, question, subject).make();
}

std::optional<int> knee(const std::vector<Candidate>& candidates, long global_batch) {
  const Candidate* best = nullptr;
  for (const Candidate& c : candidates) {
    if (!c.feasible || !c.predicted || c.global_batch != global_batch) continue;
    if (best == nullptr || c.speedup * c.efficiency > best->speedup * best->efficiency) best = &c;
  }
  if (best == nullptr) return std::nullopt;
  return best->at.world_size();
}

std::string dominant_terms(const StepTime<>& parts) {
  std::vector<std::pair<double, const char*>> terms = {
      {parts.compute.value(), "compute"},
      {parts.exposed_communication.value(), "exposed all-reduce"},
      {parts.waiting.value(), "waiting for the slowest rank"},
      {parts.optimizer.value(), "optimizer"},
      {parts.loader.value(), "waiting for input"}};
  std::stable_sort(terms.begin(), terms.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string out;
  for (const auto& [seconds, name] : terms) {
    const double share = seconds / parts.total().value();
    if (share < 0.005) continue;
    out += (out.empty() ? "" : ", ") + percent(share) + " " + name;
  }
  return out;
}

}  // namespace forerun
