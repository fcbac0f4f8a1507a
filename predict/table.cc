#include "predict/table.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "model/io/command_line.h"
#include "model/io/wording.h"
#include "predict/recommend.h"

namespace forerun {
namespace {

constexpr size_t kWidth = 100;
/// More rows than this are cut down to the best batch of each GPU count, then to what can run, then
/// to landmarks.
constexpr size_t kManyRows = 24;
/// More GPU counts than this that do not divide the batch stand in one line.
constexpr size_t kManyIndivisible = 3;

struct Column {
  std::string title;
  std::string (*cell)(const Candidate&);
  bool configuration = false;  ///< known without a prediction
};

std::string interval(const Candidate& c) {
  return format_interval(c.prediction.low, c.prediction.high);
}

/// The columns that tell rows apart; those that are the same everywhere are left out.
std::vector<Column> columns_for(const Forecast& f) {
  const auto any = [&](auto test) {
    return std::any_of(f.candidates.begin(), f.candidates.end(), test);
  };
  std::vector<Column> out;
  const bool cpu = f.subject.device == "cpu";
  out.push_back({cpu ? "ranks" : "GPUs",
                 [](const Candidate& c) { return std::to_string(c.at.world_size()); }, true});
  if (any([](const Candidate& c) { return c.at.placement.nodes() > 1; })) {
    out.push_back(
        {"nodes", [](const Candidate& c) { return std::to_string(c.at.placement.nodes()); }, true});
  }
  if (f.question.vary_batch) {
    out.push_back(
        {"batch", [](const Candidate& c) { return std::to_string(c.global_batch); }, true});
  }
  out.push_back({"local",
                 [](const Candidate& c) {
                   return c.at.local_batch > 0 ? std::to_string(c.at.local_batch) : "-";
                 },
                 true});
  if (any([](const Candidate& c) { return c.at.accumulation > 1; })) {
    out.push_back({"accum",
                   [](const Candidate& c) {
                     return c.at.local_batch > 0 ? "x" + std::to_string(c.at.accumulation) : "-";
                   },
                   true});
  }
  out.push_back(
      {"step", [](const Candidate& c) { return format_duration(c.prediction.step_time); }});
  out.push_back({"90 % interval", interval});
  out.push_back({"samples/s", [](const Candidate& c) { return significant(c.throughput); }});
  out.push_back({"speedup", [](const Candidate& c) { return factor(c.speedup); }});
  out.push_back({"effic.", [](const Candidate& c) { return percent(c.efficiency); }});
  if (f.question.samples) {
    out.push_back(
        {"run", [](const Candidate& c) { return format_duration(Seconds<>(*c.time_s)); }});
    if (f.question.price_per_gpu_hour) {
      out.push_back({"cost", [](const Candidate& c) { return significant(*c.cost); }});
    }
  }
  if (any([](const Candidate& c) { return c.peak_memory_bytes.has_value(); })) {
    out.push_back({"memory", [](const Candidate& c) {
                     return c.peak_memory_bytes ? format_bytes(Bytes<>(*c.peak_memory_bytes)) : "";
                   }});
  }
  return out;
}

std::string padded(const std::string& text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

class TextTable {
 public:
  TextTable(const Forecast& f, bool colour) : f_(f), colour_(colour), columns_(columns_for(f)) {
    select_rows();
    for (const Column& column : columns_) {
      size_t width = column.title.size();
      for (const size_t i : rows_) {
        if (column.configuration || f.candidates[i].predicted) {
          width = std::max(width, column.cell(f.candidates[i]).size());
        }
      }
      widths_.push_back(width);
    }
  }

  std::string text() const {
    std::string out = " ";
    for (size_t k = 0; k < columns_.size(); ++k) out += " " + padded(columns_[k].title, widths_[k]);
    out += "\n";
    for (const size_t i : rows_) out += row(i);
    if (!indivisible_.empty()) {
      out += "    " +
             wrap("not shown: " + in_runs(indivisible_) + " " + f_.subject.unit() +
                      "s, by which batch " + std::to_string(f_.question.batch) + " does not divide",
                  kWidth, 4) +
             "\n";
    }
    if (rows_.size() + indivisible_.size() < f_.candidates.size()) {
      out += "  (" + std::to_string(rows_.size()) + " of " + std::to_string(f_.candidates.size()) +
             " shown; --json and --csv hold all)\n";
    }
    return out;
  }

 private:
  bool is_recommended(size_t i) const {
    return f_.recommendation && f_.recommendation->candidate == i;
  }

  const Candidate& candidate(size_t i) const { return f_.candidates[i]; }

  void select_rows() {
    const bool many = f_.candidates.size() > kManyRows;
    if (many && f_.question.vary_batch) {
      best_of_each_count();
    } else {
      for (size_t i = 0; i < f_.candidates.size(); ++i) rows_.push_back(i);
    }
    leave_out_indivisible();
    if (many) std::erase_if(rows_, [&](size_t i) { return !candidate(i).predicted; });
    if (rows_.size() > kManyRows) leave_only_landmarks();
  }

  void best_of_each_count() {
    std::map<int, size_t> best;
    for (size_t i = 0; i < f_.candidates.size(); ++i) {
      if (!candidate(i).predicted) continue;
      const auto [at, fresh] = best.emplace(candidate(i).at.world_size(), i);
      if (!fresh && !is_recommended(at->second) && (is_recommended(i) || better(i, at->second))) {
        at->second = i;
      }
    }
    for (const auto& [gpus, i] : best) rows_.push_back(i);
  }

  void leave_out_indivisible() {
    const auto divides = [&](size_t i) { return candidate(i).at.local_batch > 0; };
    for (const size_t i : rows_) {
      if (!divides(i)) indivisible_.push_back(candidate(i).at.world_size());
    }
    if (indivisible_.size() > kManyIndivisible) {
      std::erase_if(rows_, [&](size_t i) { return !divides(i); });
    } else {
      indivisible_.clear();
    }
  }

  /// Powers of two, both ends, and the recommendation with its neighbours.
  void leave_only_landmarks() {
    std::vector<size_t> kept;
    for (size_t k = 0; k < rows_.size(); ++k) {
      const int gpus = candidate(rows_[k]).at.world_size();
      const bool end = k == 0 || k + 1 == rows_.size();
      const bool near = is_recommended(rows_[k]) || (k > 0 && is_recommended(rows_[k - 1])) ||
                        (!end && is_recommended(rows_[k + 1]));
      if (end || near || (gpus & (gpus - 1)) == 0) kept.push_back(rows_[k]);
    }
    rows_ = std::move(kept);
  }

  bool better(size_t a, size_t b) const {
    return time_score(f_.candidates[a], f_.question, f_.subject).value <
           time_score(f_.candidates[b], f_.question, f_.subject).value;
  }

  std::string row(size_t i) const {
    const Candidate& c = f_.candidates[i];
    std::string line = is_recommended(i) ? ">" : " ";
    for (size_t k = 0; k < columns_.size(); ++k) {
      if (!columns_[k].configuration && !c.predicted) break;
      line += " " + padded(columns_[k].cell(c), widths_[k]);
    }
    if (!c.predicted) {
      line += "  ";
      line += wrap(c.reason, kWidth, line.size());
    }
    if (colour_ && is_recommended(i)) line = "\033[1m" + line + "\033[0m";
    return line + "\n";
  }

  const Forecast& f_;
  bool colour_;
  std::vector<Column> columns_;
  std::vector<size_t> rows_;
  std::vector<int> indivisible_;  ///< GPU counts that are not among them
  std::vector<size_t> widths_;
};

/// `Label     text`, the text wrapped under itself.
std::string item(const std::string& label, const std::string& text) {
  constexpr size_t kIndent = 12;
  return label + std::string(kIndent - label.size(), ' ') + wrap(text, kWidth, kIndent) + "\n";
}

std::string heading(const Forecast& f) {
  const Question& q = f.question;
  std::string out =
      q.model + ", " +
      (q.vary_batch ? "batch as it suits" : "global batch " + std::to_string(q.batch)) +
      ", objective " + q.objective.text();
  if (!f.subject.device.empty()) out += ", on " + f.subject.device;
  if (!f.subject.label.empty()) out += " (" + f.subject.label + ")";
  return out + "\n\n";
}

std::string run_text(const Candidate& c, const std::string& unit) {
  const double slow = c.prediction.high / c.prediction.step_time;
  const double quick = c.prediction.low / c.prediction.step_time;
  std::string out = format_duration(Seconds<>(*c.time_s)) + " (" +
                    format_interval(Seconds<>(*c.time_s * quick), Seconds<>(*c.time_s * slow)) +
                    "), " + significant(*c.gpu_hours) + " " + unit + " hours";
  if (c.cost) out += ", cost " + significant(*c.cost);
  return out;
}

std::string memory_text(const Forecast& f, const Candidate& c) {
  const double capacity = f.question.memory_per_gpu_bytes.value_or(f.subject.memory_per_rank_bytes);
  std::string out = format_bytes(Bytes<>(*c.peak_memory_bytes));
  if (capacity > 0) out += " of " + format_bytes(Bytes<>(capacity));
  return out + " per " + f.subject.unit();
}

std::string reach_text(const Forecast& f, const Candidate& c) {
  const Reach& reach = f.subject.reach;
  std::string out = "measured up to " + count(reach.measured_max_gpus, f.subject.unit()) + " on " +
                    count(reach.measured_max_nodes, "node");
  if (c.prediction.doublings_beyond > 0) {
    out += "; this is " + fixed(c.prediction.doublings_beyond, 1) + " doublings beyond";
  }
  return out;
}

std::string recommendation_text(const Forecast& f) {
  const Candidate& c = *f.recommended();
  const Recommendation& r = *f.recommendation;
  std::string out = "\n";
  out += item("Recommended",
              count(c.at.world_size(), f.subject.unit()) + " on " +
                  count(c.at.placement.nodes(), "node") + ", local batch " +
                  std::to_string(c.at.local_batch) +
                  (c.at.accumulation > 1 ? " x " + count(c.at.accumulation, "micro-step") : ""));
  out += item("Why", r.reason);
  out += item("Step", r.dominant);
  if (c.time_s) out += item("Run", run_text(c, f.subject.unit()));
  if (c.peak_memory_bytes) out += item("Memory", memory_text(f, c));
  if (f.knee_gpus) {
    out += item("Knee",
                count(*f.knee_gpus, f.subject.unit()) + " (speedup x efficiency is largest there)");
  }
  out += item("Reach", reach_text(f, c));
  return out + "Launch      " + c.launch + "\n";
}

/// One item per reason: what cannot be predicted for the same reason stands together.
std::string refused_text(const Forecast& f) {
  std::vector<std::pair<std::set<int>, std::string>> counts_by_reason;
  for (const Refused& r : f.refused) {
    const int gpus = r.at.world_size();
    const auto known = std::find_if(counts_by_reason.begin(), counts_by_reason.end(),
                                    [&](const auto& entry) { return entry.second == r.reason; });
    if (known == counts_by_reason.end()) {
      counts_by_reason.push_back({{gpus}, r.reason});
    } else {
      known->first.insert(gpus);
    }
  }
  std::string out;
  for (const auto& [gpus, reason] : counts_by_reason) {
    out += item("Refused", in_runs({gpus.begin(), gpus.end()}) + " " + f.subject.unit() +
                               (*gpus.rbegin() == 1 ? ": " : "s: ") + reason);
  }
  return out;
}

}  // namespace

std::string to_text(const Forecast& f, bool colour) {
  std::string out = heading(f);
  if (!f.candidates.empty()) out += TextTable(f, colour).text();
  if (f.recommendation) out += recommendation_text(f);
  out += refused_text(f);
  for (const std::string& note : f.notes) out += item("Note", note);
  if (!f.next_measurements.empty()) {  // times of others come from no device that we know
    out += f.subject.device.empty() ? "\nTo be surer, measure, or add such rows to your own:\n"
                                    : "\nTo be surer, measure:\n";
  }
  for (const NextMeasurement& n : f.next_measurements) {
    out += "  " + n.command + "\n    " + wrap("settles " + n.settles, kWidth, 4) + "\n";
  }
  return out;
}

}  // namespace forerun
