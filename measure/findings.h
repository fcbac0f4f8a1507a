// What a campaign found so far: rank 0 keeps it in the profile and tells it on the terminal.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "measure/job.h"
#include "measure/progress.h"
#include "measure/request.h"
#include "measure/schedule.h"
#include "measure/step_record.h"
#include "model/io/command_line.h"

namespace forerun {

/// A model that is measured: how it was asked for, and what is known of it before training.
struct MeasuredModel {
  WorkloadRequest request;
  NetworkFacts facts;
};
using MeasuredModels = std::map<std::string, MeasuredModel>;  ///< by name

/// Where a question is asked.
Configuration configuration_of(const Question& question, const RankMap& map,
                               const MeasureOptions& options);

/// On rank 0 alone. What it is made of must outlive it.
class Findings {
 public:
  Findings(const Job& job, const MeasureOptions& options, const MeasuredModels& models,
           Progress& progress);

  /// Continues the store's profile, or begins one. Throws Error if it is of another machine, or
  /// holds one of the models with another input or optimizer.
  void open();
  /// What an earlier launch found of the schedule's questions counts.
  void begin(Schedule& schedule);
  /// A block's result.
  void take(const Block& block, const StepRecord& record, double block_s);
  /// Tells what was asked for and not measured, and why.
  void leave_out(const std::string& what, const std::string& why);
  /// Tells of the questions that were not told of yet.
  void close();
  /// On standard output.
  void print() const;
  /// Throws Error where none of the questions has an answer, from an earlier launch neither.
  void require_any();

  Profile& profile() { return profile_; }
  void save();
  /// Saving may cost a few percent of the time, no more: slow disks are saved to less often.
  void save_unless_just_done();

 private:
  void require_same_training(const MeasuredModel& model) const;
  WorkloadProfile& workload(const std::string& name);
  MeasuredConfiguration* known(int question);
  void remember(int question, const MeasuredConfiguration& known);
  MeasuredConfiguration measured(int question) const;
  void keep(const Question& question, const MeasuredConfiguration& measured);
  void announce(int question, const MeasuredConfiguration& measured);
  Configuration at(const Question& question) const;

  const Job& job_;
  const MeasureOptions& options_;
  const MeasuredModels& models_;
  Progress& progress_;
  Store store_;
  Profile profile_;
  Schedule* schedule_ = nullptr;
  std::vector<std::pair<std::string, std::string>> left_out_;
  double saved_s_ = 0, save_cost_s_ = 0;
  std::vector<StepRecord> records_;  // by question
  std::vector<bool> announced_;
  std::map<int, MeasuredConfiguration> earlier_;
};

}  // namespace forerun
