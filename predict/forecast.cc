#include "predict/forecast.h"

#include <algorithm>
#include <cmath>

#include "calib/evidence.h"
#include "model/error.h"
#include "model/io/command_line.h"
#include "model/io/wording.h"
#include "predict/advice.h"
#include "predict/launch.h"
#include "predict/recommend.h"
#include "predict/search.h"

namespace forerun {
namespace {

/// Throws UsageError where the question contradicts itself.
void check(const Question& q) {
  if (q.objective.needs_run_length() && !q.samples) {
    throw UsageError("--objective " + q.objective.text() +
                     " needs the length of the run (add --epochs E --dataset-size D)");
  }
  if (q.objective.kind == Objective::Kind::kBudget && !q.price_per_gpu_hour) {
    throw UsageError("--objective " + q.objective.text() +
                     " needs a price (add --price P, per GPU and hour)");
  }
}

/// Throws UsageError where every GPU count fails because the batch does not divide by it.
void check_divides(const Question& q, const SearchResult& found) {
  if (!found.refused.empty() || found.candidates.empty()) return;
  for (const Candidate& c : found.candidates) {
    if (c.at.local_batch > 0) return;
  }
  std::string text = "--batch " + std::to_string(q.batch) + ": ";
  const Candidate& first = found.candidates.front();
  const int gpus = first.at.world_size();
  const NearestBatches near = nearest_batches(q.batch, gpus);
  text += first.reason + "; ";
  text += near.below > 0
              ? "take --batch " + std::to_string(near.below) + " or " + std::to_string(near.above)
              : "take --batch " + std::to_string(near.above) + " or more";
  throw UsageError(text + ", or another --gpus");
}

/// Of candidates, the recommended one or others, whose measurement decides and may be wrong.
void add_unexpected(const Forecast& f, std::vector<std::string>& notes) {
  constexpr int kMost = 3;
  int found = 0;
  for (const Candidate& c : f.candidates) {
    if (!c.predicted || !c.prediction.unexpected || ++found > kMost) continue;
    notes.push_back(count(c.at.world_size(), f.subject.unit()) + " x " +
                    std::to_string(c.at.local_batch) + ": " + c.prediction.unexpected->text());
  }
  if (found > kMost) notes.push_back("and " + std::to_string(found - kMost) + " more like these");
}

std::vector<std::string> make_notes(const Forecast& f) {
  std::vector<std::string> notes;
  const WorkloadCalibration& w = f.subject.workload;
  if (!f.subject.label.empty()) notes.push_back("measured on: " + f.subject.label);
  if (!w.memory) {
    notes.push_back("memory not measured: whether a local batch fits is not known");
  } else if (f.subject.memory_per_rank_bytes <= 0 && !f.question.memory_per_gpu_bytes) {
    notes.push_back("memory capacity not known: add --memory SIZE to check what fits");
  }
  if (f.question.vary_batch) {
    notes.push_back(w.noise_scale
                        ? "ranked by time to accuracy with a gradient noise scale of " +
                              significant(*w.noise_scale) +
                              " samples; it grows during training and is uncertain"
                        : "gradient noise scale not measured: ranked by throughput alone, as if a "
                          "larger batch needed no more samples");
  }
  if (w.method != "model") {
    notes.push_back(
        "held-out points favoured the plain rule \"" + w.method +
        "\" over the model for this workload: beyond the measured scale predictions follow it");
  }
  add_unexpected(f, notes);
  const Candidate* best = f.recommended();
  if (best == nullptr) return notes;
  if (best->baseline_gpus == 1 && w.one_rank_batches.empty()) {
    notes.push_back("1 " + f.subject.unit() +
                    " was never measured: what it takes, and with it speedup and efficiency, is "
                    "guessed from several");
  }
  if (best->baseline_gpus > 1) {
    notes.push_back("no prediction for 1 " + f.subject.unit() +
                    ": speedup and efficiency are against " + std::to_string(best->baseline_gpus));
  }
  if (best->batch_extrapolated && !w.batches_measured.empty()) {
    const auto [least, most] =
        std::minmax_element(w.batches_measured.begin(), w.batches_measured.end());
    notes.push_back("local batch " + std::to_string(best->at.local_batch) +
                    " lies outside those measured (" + std::to_string(*least) + " to " +
                    std::to_string(*most) + ")");
  }
  if (w.memory && best->at.local_batch > w.memory->largest_probed_batch) {
    notes.push_back("memory extrapolated beyond local batch " +
                    fixed(w.memory->largest_probed_batch, 0));
  }
  return notes;
}

}  // namespace

Forecast make_forecast(const Question& question, const Subject& subject) {
  check(question);
  Forecast f;
  f.question = question;
  f.subject = subject;
  SearchResult found = search(question, subject);
  check_divides(question, found);
  f.candidates = std::move(found.candidates);
  f.refused = std::move(found.refused);
  const Launcher launcher = Launcher::detect(subject);
  for (Candidate& c : f.candidates) {
    if (c.feasible) c.launch = launch_line(c.at, subject, question.program, launcher);
  }
  f.recommendation = recommend(f.candidates, question, subject);
  if (const Candidate* best = f.recommended()) f.knee_gpus = knee(f.candidates, best->global_batch);
  f.notes = make_notes(f);
  f.next_measurements = next_measurements(f);
  return f;
}

Forecast refused_forecast(const Question& question, const std::string& reason) {
  Forecast f;
  f.question = question;
  f.notes = {reason};
  f.next_measurements = {{"measure --model " + question.model + " --batch " +
                              std::to_string(question.batch) + measure_options(question.asked()),
                          question.model + ", which was never measured"}};
  return f;
}

void require_recommendation(const Forecast& f) {
  if (f.recommendation) return;
  if (f.refused.empty()) {
    const std::string why = f.candidates.empty() ? "no candidates" : f.candidates.back().reason;
    throw Error("batch " + std::to_string(f.question.batch) + " of " + f.question.model +
                " fits on none of the " + f.subject.unit() + " counts looked at (" + why +
                "); look at more of them with --max-gpus, or take a smaller batch");
  }
  const Refused& first = f.refused.front();
  std::string text = f.question.model + " on " + count(first.at.world_size(), f.subject.unit()) +
                     " on " + count(first.at.placement.nodes(), "node") +
                     " cannot be predicted: " + first.reason;
  if (!f.next_measurements.empty() && first.reason.find("measure --model") == std::string::npos) {
    text += "\nThis would settle it: " + f.next_measurements.front().command;
  }
  throw Refusal(text);
}

}  // namespace forerun
