#include "predict/search.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "model/error.h"
#include "model/io/command_line.h"
#include "model/io/wording.h"
#include "model/noise_scale.h"

namespace forerun {
namespace {

constexpr long kMaxGlobalBatch = 1'000'000'000;

/// What the search knows about local batches: the memory they need and the range measured.
class BatchLimits {
 public:
  BatchLimits(const Question& question, const Subject& subject)
      : memory_(subject.workload.memory),
        capacity_(question.memory_per_gpu_bytes.value_or(subject.memory_per_rank_bytes)) {
    const std::vector<int>& measured = subject.workload.batches_measured;
    if (!measured.empty()) {
      const auto [least, most] = std::minmax_element(measured.begin(), measured.end());
      smallest_measured_ = *least;
      largest_measured_ = *most;
    }
    if (knows_memory()) {
      largest_ = largest_batch(*memory_, Bytes<>(capacity_));
    } else if (largest_measured_ > 0) {
      largest_ = largest_measured_;
    }
  }

  bool knows_memory() const { return memory_ && capacity_ > 0; }
  /// The largest local batch to try: what fits, or what was measured.
  long largest() const { return largest_; }
  long largest_measured() const { return largest_measured_; }
  bool outside_measured(long local) const {
    return local < smallest_measured_ || local > largest_measured_;
  }
  std::optional<double> peak(long local) const {
    if (!memory_) return std::nullopt;
    return memory_->peak(Samples<>(static_cast<double>(local))).value();
  }
  std::string too_big(long local) const {
    return "local batch " + std::to_string(local) + " needs " +
           format_bytes(Bytes<>(*peak(local))) + " of " + format_bytes(Bytes<>(capacity_));
  }

 private:
  std::optional<MemoryModel> memory_;
  double capacity_;
  long smallest_measured_ = 0, largest_measured_ = 0;
  long largest_ = kMaxGlobalBatch;
};

/// The whole numbers that divide `n` >= 1, ascending.
std::vector<long> divisors(long n) {
  std::vector<long> small, large;
  for (long d = 1; d * d <= n; ++d) {
    if (n % d != 0) continue;
    small.push_back(d);
    if (d * d != n) large.push_back(n / d);
  }
  small.insert(small.end(), large.rbegin(), large.rend());
  return small;
}

/// The smallest accumulation up to `most` that divides `share` samples into local batches of at
/// most `largest`; 0 if there is none.
long smallest_accumulation(long share, long largest, long most) {
  if (largest < 1) return 0;
  long s = (share + largest - 1) / largest;
  for (; s <= most && s * s <= share; ++s) {
    if (share % s == 0) return s;
  }
  // Beyond the root the divisors are those below it, the other way round.
  for (long local = share / s; local >= 1; --local) {
    if (share % local == 0) return share / local <= most ? share / local : 0;
  }
  return 0;
}

/// The largest accumulation up to `most`, which leaves the smallest local batch.
long largest_accumulation(long share, long most) {
  long largest = 1;
  for (const long s : divisors(share)) {
    if (s <= most) largest = s;
  }
  return largest;
}

class Search {
 public:
  Search(const Question& question, const Subject& subject)
      : question_(question),
        subject_(subject),
        limits_(question, subject),
        gpus_per_node_(question.gpus_per_node.value_or(
            std::max(1, subject.workload.max_gpus_per_node > 0 ? subject.workload.max_gpus_per_node
                                                               : subject.max_ranks))) {}

  SearchResult run() {
    if (question_.vary_batch) {
      enumerate_batches();
    } else {
      for (const int gpus : gpu_counts(question_, subject_)) add(gpus, question_.batch, false);
    }
    add_baselines();
    predict_all();
    compare_with_baselines();
    return collect();
  }

 private:
  struct Entry {
    Candidate candidate;
    bool only_baseline = false;  ///< not asked for: 1 GPU, to compare with
  };

  void enumerate_batches() {
    const std::vector<int>& measured = subject_.workload.batches_measured;
    std::set<int> locals(measured.begin(), measured.end());
    for (long b = 1; !measured.empty() && b < limits_.largest_measured(); b *= 2) {
      if (!limits_.outside_measured(b)) locals.insert(static_cast<int>(b));
    }
    const std::vector<int> counts = gpu_counts(question_, subject_);
    entries_.reserve(2 * counts.size() * (locals.size() + 1));  // with a baseline for each
    for (const int gpus : counts) {
      std::set<int> here = locals;
      const long asked = question_.batch % gpus == 0 ? question_.batch / gpus : 0;
      if (asked > 0 && (locals.empty() || !limits_.outside_measured(asked))) {
        here.insert(static_cast<int>(asked));
      }
      for (const int local : here) {
        const long batch = static_cast<long>(local) * gpus;
        if (batch <= kMaxGlobalBatch) add_configuration(gpus, batch, local, 1, false);
      }
    }
  }

  void add(int gpus, long batch, bool only_baseline) {
    if (batch % gpus != 0) {
      add_indivisible(gpus, batch);
      return;
    }
    const long share = batch / gpus;
    long s = smallest_accumulation(share, limits_.largest(), question_.max_accumulation);
    // Nothing known to be too large is ever run; without a memory model there is no such thing.
    if (s == 0 && !limits_.knows_memory()) s = 1;
    if (s == 0) s = largest_accumulation(share, question_.max_accumulation);
    add_configuration(gpus, batch, share / s, s, only_baseline);
  }

  void add_indivisible(int gpus, long batch) {
    const NearestBatches near = nearest_batches(batch, gpus);
    Candidate c;
    c.at = configuration(gpus, 0, 1);
    c.global_batch = batch;
    c.reason = near.below == 0 ? "batch " + std::to_string(batch) + " is smaller than " +
                                     count(gpus, subject_.unit()) + " (each needs a sample)"
                               : "batch " + std::to_string(batch) + " does not divide by " +
                                     std::to_string(gpus) + " (" + std::to_string(near.below) +
                                     " and " + std::to_string(near.above) + " do)";
    entries_.push_back({std::move(c), false});
  }

  void add_configuration(int gpus, long batch, long local, long accumulation, bool only_baseline) {
    Candidate c;
    c.at = configuration(gpus, local, accumulation);
    c.global_batch = batch;
    c.feasible = !limits_.knows_memory() || local <= limits_.largest();
    if (!c.feasible) c.reason = "does not fit: " + limits_.too_big(local);
    c.peak_memory_bytes = limits_.peak(local);
    c.batch_extrapolated = limits_.outside_measured(local);
    entries_.push_back({std::move(c), only_baseline});
  }

  Configuration configuration(int gpus, long local, long accumulation) {
    if (gpus != placed_gpus_) {  // asked for in runs of equal counts
      placement_ = packed_placement(gpus, gpus_per_node_);
      placed_gpus_ = gpus;
    }
    Configuration at = question_.asked();
    at.placement = placement_;
    at.local_batch = static_cast<int>(local);
    at.accumulation = static_cast<int>(accumulation);
    return at;
  }

  /// One GPU at every batch that is looked at, if it is not among the candidates.
  void add_baselines() {
    std::vector<long> batches, with_one_gpu;
    for (const Entry& e : entries_) {
      if (e.candidate.feasible) batches.push_back(e.candidate.global_batch);
      if (e.candidate.at.world_size() == 1) with_one_gpu.push_back(e.candidate.global_batch);
    }
    std::sort(batches.begin(), batches.end());
    batches.erase(std::unique(batches.begin(), batches.end()), batches.end());
    std::sort(with_one_gpu.begin(), with_one_gpu.end());
    for (const long batch : batches) {
      if (!std::binary_search(with_one_gpu.begin(), with_one_gpu.end(), batch)) add(1, batch, true);
    }
  }

  void predict_all() {
    predict([](const Candidate& c) { return c.feasible; });
    // A batch beyond the measured range may be refused; the same batch in smaller steps is not.
    bool again = false;
    for (Entry& e : entries_) {
      Candidate& c = e.candidate;
      if (!c.feasible || c.predicted || question_.vary_batch) continue;
      const long share = static_cast<long>(c.at.local_batch) * c.at.accumulation;
      if (limits_.largest_measured() < 1 || c.at.local_batch <= limits_.largest_measured())
        continue;
      const long s =
          smallest_accumulation(share, limits_.largest_measured(), question_.max_accumulation);
      if (s == 0) continue;
      c.at.local_batch = static_cast<int>(share / s);
      c.at.accumulation = static_cast<int>(s);
      c.peak_memory_bytes = limits_.peak(c.at.local_batch);
      c.batch_extrapolated = limits_.outside_measured(c.at.local_batch);
      again = true;
    }
    if (again) predict([](const Candidate& c) { return c.feasible && !c.predicted; });
  }

  template <class Wanted>
  void predict(Wanted wanted) {
    std::vector<Candidate*> asked;
    std::vector<Configuration> at;
    asked.reserve(entries_.size());
    at.reserve(entries_.size());
    for (Entry& e : entries_) {
      if (!wanted(e.candidate)) continue;
      asked.push_back(&e.candidate);
      at.push_back(std::move(e.candidate.at));  // and back below: a copy costs more
    }
    std::vector<Prediction> predictions = subject_.predict(at);
    for (size_t i = 0; i < asked.size(); ++i) {
      Candidate& c = *asked[i];
      c.at = std::move(at[i]);
      c.prediction = std::move(predictions[i]);
      c.predicted = c.prediction.refused.empty();
      if (c.predicted) c.throughput = c.global_batch / c.prediction.step_time.value();
    }
  }

  void compare_with_baselines() {
    std::unordered_map<long, const Candidate*> baseline;
    baseline.reserve(entries_.size());
    for (const Entry& e : entries_) {
      const Candidate& c = e.candidate;
      if (!c.predicted) continue;
      const Candidate*& best = baseline[c.global_batch];
      if (best == nullptr || c.at.world_size() < best->at.world_size()) best = &c;
    }
    for (Entry& e : entries_) {
      Candidate& c = e.candidate;
      if (!c.predicted) continue;
      const Candidate& base = *baseline[c.global_batch];
      c.baseline_gpus = base.at.world_size();
      c.speedup = c.throughput / base.throughput;
      c.efficiency = c.speedup * c.baseline_gpus / c.at.world_size();
      price(c);
    }
  }

  void price(Candidate& c) const {
    if (!question_.samples) return;
    double samples = *question_.samples;
    if (const auto noise = subject_.workload.noise_scale; question_.vary_batch && noise) {
      samples *= relative_samples(static_cast<double>(c.global_batch), *noise) /
                 relative_samples(static_cast<double>(question_.batch), *noise);
    }
    c.time_s = samples / c.throughput;
    c.gpu_hours = *c.time_s / 3600 * c.at.world_size();
    if (question_.price_per_gpu_hour) c.cost = *c.gpu_hours * *question_.price_per_gpu_hour;
  }

  SearchResult collect() {
    SearchResult out;
    out.candidates.reserve(entries_.size());
    for (Entry& e : entries_) {
      Candidate& c = e.candidate;
      if (e.only_baseline) continue;
      if (c.feasible && !c.predicted) {
        out.refused.push_back({c.at, c.prediction.refused});
      } else {
        out.candidates.push_back(std::move(c));
      }
    }
    const auto before = [](const Candidate& a, const Candidate& b) {
      return std::pair(a.at.world_size(), a.global_batch) <
             std::pair(b.at.world_size(), b.global_batch);
    };
    if (!std::is_sorted(out.candidates.begin(), out.candidates.end(), before)) {
      std::stable_sort(out.candidates.begin(), out.candidates.end(), before);
    }
    return out;
  }

  const Question& question_;
  const Subject& subject_;
  BatchLimits limits_;
  int gpus_per_node_;
  std::vector<Entry> entries_;
  Placement placement_;  ///< of placed_gpus_
  int placed_gpus_ = 0;
};

}  // namespace

std::vector<int> gpu_counts(const Question& question, const Subject& subject) {
  if (!question.gpus.empty()) return question.gpus;
  std::set<int> counts;
  if (question.max_gpus) {
    for (int n = 1; n <= *question.max_gpus; ++n) counts.insert(n);
    return {counts.begin(), counts.end()};
  }
  const int limit = std::max({1, subject.workload.max_gpus, subject.max_ranks});
  const int node = question.gpus_per_node.value_or(subject.workload.max_gpus_per_node);
  for (int n = 1; n <= limit; ++n) {
    const bool power_of_two = (n & (n - 1)) == 0;
    const bool whole_nodes = node < 1 || n <= node || n % node == 0;
    if (power_of_two || (question.batch % n == 0 && whole_nodes)) counts.insert(n);
  }
  return {counts.begin(), counts.end()};
}

Placement packed_placement(int gpus, int gpus_per_node) {
  std::vector<int> nodes(gpus / gpus_per_node, gpus_per_node);
  if (gpus % gpus_per_node > 0) nodes.push_back(gpus % gpus_per_node);
  return Placement(std::move(nodes));
}

NearestBatches nearest_batches(long batch, int gpus) {
  const long below = batch / gpus * gpus;
  return {below, batch == below ? below : below + gpus};
}

SearchResult search(const Question& question, const Subject& subject) {
  return Search(question, subject).run();
}

}  // namespace forerun
