#include "measure/findings.h"

#include <filesystem>

#include "measure/clock.h"
#include "measure/summary.h"
#include "measure/taken_apart.h"
#include "model/error.h"
#include "model/io/wording.h"

namespace forerun {

Configuration configuration_of(const Question& question, const RankMap& map,
                               const MeasureOptions& options) {
  Configuration at;
  at.placement = map.placement(question.world_size);
  at.local_batch = question.local_batch;
  at.accumulation = options.accumulation;
  at.strategy = question.strategy;
  at.precision = options.precision;
  return at;
}

Findings::Findings(const Job& job, const MeasureOptions& options, const MeasuredModels& models,
                   Progress& progress)
    : job_(job), options_(options), models_(models), progress_(progress), store_(options.store) {}

void Findings::open() {
  if (std::filesystem::exists(store_.profile())) {
    profile_ = load_profile(store_.profile());
    require_same_machine(store_.profile(), profile_.machine, job_.machine);
    progress_.line("measure: continuing " + store_.profile().string());
  }
  profile_.machine = grown(profile_.machine, job_.machine);
  for (const auto& [name, model] : models_) require_same_training(model);
  save();
}

void Findings::require_same_training(const MeasuredModel& model) const {
  const Workload& asked = model.request.workload;
  const WorkloadProfile* known = profile_.find(asked.name);
  if (known == nullptr) return;
  if (known->input != asked.input.text()) {
    throw Error(store_.profile().string() + ": holds " + asked.name + " with input " +
                known->input + " (asked: " + asked.input.text() +
                "); name another store with --store DIR");
  }
  const std::string optimizer = Optimizer::named(options_.optimizer).name();
  if (!known->optimizer.starts_with(optimizer + ",")) {
    throw Error(store_.profile().string() + ": holds " + asked.name + " trained by " +
                known->optimizer + " (asked: " + optimizer +
                "); name another store with --store DIR");
  }
}

void Findings::save() {
  save_profile(store_.profile(), profile_);
  saved_s_ = clock_now();
}

void Findings::save_unless_just_done() {
  if (clock_now() - saved_s_ < 20 * save_cost_s_) return;
  const double start = clock_now();
  save();
  save_cost_s_ = clock_now() - start;
}

void Findings::begin(Schedule& schedule) {
  schedule_ = &schedule;
  records_.resize(schedule.questions().size());
  announced_.resize(records_.size(), false);
  int precise = 0;
  for (int q = 0; q < static_cast<int>(records_.size()); ++q) {
    if (const MeasuredConfiguration* found = known(q)) remember(q, *found);
    precise += schedule.precise(q) ? 1 : 0;
  }
  if (earlier_.empty()) return;
  progress_.line("measure: " + std::to_string(precise) + " of " + std::to_string(records_.size()) +
                 " configurations are already precise and are not repeated");
}

void Findings::remember(int question, const MeasuredConfiguration& known) {
  earlier_[question] = known;
  if (known.status == "out_of_memory") {
    schedule_->out_of_memory(question);
    announced_[question] = true;
    return;
  }
  const Blocks blocks = known.blocks();
  schedule_->preload(question, blocks.empty() ? Blocks{known.step_times()} : blocks);
  announced_[question] = schedule_->precise(question);
}

void Findings::take(const Block& block, const StepRecord& record, double block_s) {
  const int q = block.question;
  records_[q].append(record);
  if (record.out_of_memory) {
    schedule_->out_of_memory(q);
  } else {
    schedule_->record(block, record.step_times(), block_s,
                      record.gpus.empty() ? 0 : record.gpus.front().sm_clock_high_hz);
  }
  const Question& question = schedule_->questions()[q];
  const MeasuredConfiguration found = measured(q);
  if (record.out_of_memory || !found.step_times().empty()) keep(question, found);
  announce(q, found);
  save_unless_just_done();
  progress_.bar((clock_now() - job_.started_s) / options_.budget_s,
                schedule_->time_left(clock_now()), question.text());
}

MeasuredConfiguration Findings::measured(int question) const {
  const auto earlier = earlier_.find(question);
  MeasuredConfiguration out = to_measured(at(schedule_->questions()[question]), records_[question],
                                          schedule_->warmup(question),
                                          earlier == earlier_.end() ? nullptr : &earlier->second);
  out.communication = take_apart(out, profile_.network);
  if (!out.ranks.empty()) out.relative_half_width = schedule_->half_width(question);
  return out;
}

/// What the profile holds of a question, or nullptr.
MeasuredConfiguration* Findings::known(int question) {
  const Question& asked = schedule_->questions()[question];
  WorkloadProfile* workload = profile_.find(asked.model);
  return workload == nullptr ? nullptr : workload->find(at(asked));
}

void Findings::keep(const Question& question, const MeasuredConfiguration& measured) {
  WorkloadProfile& profile = workload(question.model);
  if (MeasuredConfiguration* known = profile.find(measured.at)) {
    *known = measured;
  } else {
    profile.configurations.push_back(measured);
  }
}

/// A model's entry in the profile, made if there is none.
WorkloadProfile& Findings::workload(const std::string& name) {
  if (WorkloadProfile* known = profile_.find(name)) return *known;
  const MeasuredModel& model = models_.at(name);
  WorkloadProfile made;
  made.name = name;
  made.input = model.request.workload.input.text();
  made.optimizer = Optimizer::named(options_.optimizer, options_.learning_rate).text();
  made.parameters = model.facts.parameters;
  made.grad_bytes = model.facts.grad_bytes;
  made.flop_per_sample = model.facts.flop_per_sample;
  profile_.workloads.push_back(std::move(made));
  return profile_.workloads.back();
}

void Findings::announce(int question, const MeasuredConfiguration& measured) {
  if (announced_[question] || !schedule_->settled(question)) return;
  announced_[question] = true;
  save();
  progress_.line(describe(schedule_->questions()[question].text(), measured));
}

void Findings::leave_out(const std::string& what, const std::string& why) {
  left_out_.emplace_back(what, why);
  progress_.line("left out " + what + ": " + why);
}

void Findings::close() {
  for (int q = 0; q < static_cast<int>(records_.size()); ++q) {
    MeasuredConfiguration* kept = known(q);
    const std::string name = schedule_->questions()[q].text();
    // What other questions told of drift since.
    if (kept != nullptr && !kept->ranks.empty()) {
      kept->relative_half_width = schedule_->half_width(q);
    }
    if (kept != nullptr && !announced_[q]) progress_.line(describe(name, *kept));
    if (kept == nullptr && !schedule_->left_out().contains(q)) {
      progress_.line("left out " + name + ": the budget ended during its warm-up");
    }
  }
  for (const auto& [q, reason] : schedule_->left_out()) {
    progress_.line("left out " + schedule_->questions()[q].text() + ": " + reason);
  }
}

void Findings::print() const {
  Summary summary;
  summary.profile_path = store_.profile().string();
  summary.profile = profile_;
  summary.seconds = clock_now() - job_.started_s;
  summary.stopped_early = stop_requested();
  summary.left_out = left_out_;
  for (const auto& [q, reason] : schedule_->left_out()) {
    summary.left_out.push_back({schedule_->questions()[q].text(), reason});
  }
  print_summary(summary, options_.json);
}

void Findings::require_any() {
  for (int q = 0; q < static_cast<int>(records_.size()); ++q) {
    if (known(q) != nullptr) return;
  }
  throw Error("none of " + count(static_cast<int>(records_.size()), "configuration") +
              " could be measured within --budget " +
              format_duration(Seconds<>(options_.budget_s)) +
              "; a longer one, smaller batches, or fewer models would help");
}

Configuration Findings::at(const Question& question) const {
  return configuration_of(question, job_.map, options_);
}

}  // namespace forerun
