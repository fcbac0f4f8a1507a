#include "predict/report/collect.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "calib/evidence.h"
#include "calib/naive.h"
#include "model/error.h"
#include "model/statistics.h"
#include "predict/report/collect_curves.h"

namespace forerun {
namespace {

/// What is not shown, and how often.
class LeftOut {
 public:
  void add(const std::string& why) { ++counts_[why]; }
  std::vector<std::string> notes() const {
    std::vector<std::string> out;
    for (const auto& [why, count] : counts_) {
      out.push_back(std::to_string(count) + (count == 1 ? " run is" : " runs are") +
                    " left out: " + why + ".");
    }
    return out;
  }

 private:
  std::map<std::string, int> counts_;
};

/// Why a run is no check of predictions for this machine; empty if it is one.
std::string why_left_out(const Run& run, const Machine& machine) {
  if (!same_machine(run.machine, machine)) {
    return "made on another machine (" + run.machine.fingerprint + ", this one is " +
           machine.fingerprint + ")";
  }
  if (run.machine.label != machine.label) {
    const auto kind = [](const std::string& label) { return label.empty() ? "real" : label; };
    return kind(run.machine.label) + " training beside measurements that are " +
           kind(machine.label);
  }
  if (run.steps.role != "test")
    return "not made to check predictions (role " + run.steps.role + ")";
  if (run.steps.step_times().empty()) {
    return run.steps.status == "ok" ? "without a finished step" : "ended as " + run.steps.status;
  }
  return "";
}

/// Runs of one configuration, pooled.
struct Pool {
  int runs = 0;
  std::vector<double> step_times;
};
using Pools = std::map<std::pair<std::string, Configuration>, Pool>;

bool same_ranks(const Configuration& a, const Configuration& b) {
  return a.world_size() == b.world_size() && a.placement.nodes() == b.placement.nodes() &&
         a.local_batch == b.local_batch && a.accumulation == b.accumulation;
}

/// What the calibration knows of a workload, beside its predictions.
void compare_with_fit(const WorkloadCalibration* workload, RunCheck& check) {
  if (workload == nullptr || workload->points.empty()) return;
  std::vector<FitPoint> points;
  for (const FittedPoint& point : workload->points) {
    points.push_back({point.at, point.step_time_s, 0});
    check.measured_before = check.measured_before || same_ranks(point.at, check.at);
  }
  const NaivePredictor naive(points);
  for (const std::string& name : NaivePredictor::names()) {
    check.naive_s[name] = naive.predict(name, check.at);
  }
}

std::vector<RunCheck> make_checks(const Pools& pools, const Predictor& predictor) {
  std::vector<RunCheck> checks;
  for (const auto& [key, pool] : pools) {
    RunCheck check;
    std::tie(check.model, check.at) = key;
    check.runs = pool.runs;
    check.steps = static_cast<int>(pool.step_times.size());
    check.observed_s = median(pool.step_times);
    check.observed_p10_s = quantile(pool.step_times, 0.1);
    check.observed_p90_s = quantile(pool.step_times, 0.9);
    check.predicted = predictor.predict(check.model, check.at);
    compare_with_fit(predictor.calibration().find(workload_name(check.model, check.at)), check);
    checks.push_back(check);
  }
  std::sort(checks.begin(), checks.end(), [](const RunCheck& a, const RunCheck& b) {
    return std::tuple(a.model, a.at.world_size(), a.at.placement.nodes(), a.at.local_batch, a.at) <
           std::tuple(b.model, b.at.world_size(), b.at.placement.nodes(), b.at.local_batch, b.at);
  });
  return checks;
}

Reach furthest(const Predictor& predictor) {
  Reach reach;
  for (const WorkloadCalibration& workload : predictor.calibration().workloads) {
    reach.measured_max_gpus = std::max(reach.measured_max_gpus, workload.max_gpus);
    reach.measured_max_nodes = std::max(reach.measured_max_nodes, workload.max_nodes);
  }
  return reach;
}

/// A run that would check the calibration: all ranks, a local batch between those measured.
std::string checking_command(const Calibration& calibration) {
  if (calibration.workloads.empty()) return "";
  const WorkloadCalibration& workload = calibration.workloads.front();
  const std::vector<int>& batches = workload.batches_measured;
  if (batches.empty()) return "";
  const std::set<int> measured(batches.begin(), batches.end());
  int local = (batches.front() + batches.back()) / 2;
  while (local > 1 && measured.count(local) > 0) --local;
  if (measured.count(local) > 0) local = batches.back() + 1;
  return "measure train --model " +
         measure_arguments(workload, calibration.networks[workload.network]) + " --batch " +
         std::to_string(local * std::max(1, workload.max_gpus)) + " --steps 50";
}

}  // namespace

std::vector<Run> load_readable_runs(const std::filesystem::path& folder,
                                    const std::function<void(const std::string&)>& warn) {
  std::vector<std::filesystem::path> files;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Run> runs;
  std::string first_problem;
  for (const auto& file : files) {
    try {
      runs.push_back(load_run(file));
    } catch (const Error& error) {
      if (first_problem.empty()) first_problem = error.what();
      warn(std::string("left out: ") + error.what());
    }
  }
  if (runs.empty() && !files.empty()) {
    throw Error(first_problem + (files.size() > 1 ? "; nor can any other run there be read" : "") +
                "; remove it, or repeat the run with `measure train`");
  }
  return runs;
}

ReportData collect_report(const Profile& profile, const Predictor& predictor,
                          const std::vector<Run>& runs) {
  ReportData data;
  data.machine = profile.machine;
  data.reach = furthest(predictor);
  std::set<std::string> launch_lines = {profile.machine.launch_line};
  Pools pools;
  LeftOut left_out;
  for (const Run& run : runs) {
    const std::string why = why_left_out(run, profile.machine);
    if (!why.empty()) {
      left_out.add(why);
      continue;
    }
    Pool& pool = pools[{run.model, run.steps.at}];
    const std::vector<double> times = run.steps.step_times();
    ++pool.runs;
    pool.step_times.insert(pool.step_times.end(), times.begin(), times.end());
    launch_lines.insert(run.machine.launch_line);
  }
  launch_lines.erase("");
  data.commands.assign(launch_lines.begin(), launch_lines.end());
  data.notes = left_out.notes();
  data.checks = make_checks(pools, predictor);
  if (data.checks.empty()) data.missing_runs_command = checking_command(predictor.calibration());
  data.scaling = collect_scaling(profile.machine, predictor, data.checks);
  data.recommended = collect_recommended(predictor);
  data.allreduce = collect_allreduce(profile, predictor.calibration());
  return data;
}

}  // namespace forerun
