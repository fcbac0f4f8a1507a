// Results for people and scripts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/io/profile.h"
#include "model/io/run.h"

namespace forerun {

struct Summary {
  std::string profile_path;
  Profile profile;
  double seconds = 0;
  bool stopped_early = false;
  std::vector<std::pair<std::string, std::string>> left_out;  ///< what, why
};

/// One line on a measured configuration: step time, its uncertainty, throughput.
std::string describe(const std::string& name, const MeasuredConfiguration& measured);

/// Tables, or one JSON document, on standard output.
void print_summary(const Summary& summary, bool json);

struct FinishedRun {
  std::string title, file;
  Run run;
  bool complete = true;  ///< false: stopped early
};
/// What `measure train` did, as a table or one JSON document.
void print_runs(const std::vector<FinishedRun>& runs, bool json);

/// The zoo: parameters, gradient bytes, FLOP per sample, input.
void print_models(bool json);

}  // namespace forerun
