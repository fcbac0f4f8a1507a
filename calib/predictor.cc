#include "calib/predictor.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include "calib/conditioned_workload.h"
#include "calib/log_interval.h"
#include "calib/lone_workload.h"
#include "calib/naive.h"
#include "calib/refusal.h"
#include "calib/unexpected.h"
#include "model/io/command_line.h"

namespace forerun {
namespace {

StepTime<> scaled(const StepTime<>& parts, double own, double between) {
  return {parts.compute * own, parts.optimizer * own, parts.waiting * between,
          parts.exposed_communication * between, parts.loader * own};
}

/// The formula's parts of a step that takes `total`. What a rank does for itself takes `own` times
/// its formula; waiting and communication take the rest.
StepTime<> parts_of(const StepTime<>& formula, Seconds<> total, double own) {
  const Seconds<> between = formula.waiting + formula.exposed_communication;
  const Seconds<> rest = total - (formula.total() - between) * own;
  if (between.value() > 0 && rest.value() > 0) return scaled(formula, own, rest / between);
  const double all = total / formula.total();
  return scaled(formula, all, all);
}

/// On the fullest of its nodes alone, with the same batch a rank.
Configuration on_one_node(Configuration at) {
  at.placement = Placement({at.placement.max_ranks_per_node()});
  return at;
}

/// By configuration on one node, its step over the formula's: what the process learnt of compute,
/// and of ranks that share a node. Of those that were asked about on several nodes.
std::map<Configuration, double> node_over_formula(const ConditionedWorkload& workload,
                                                  const std::vector<Configuration>& asked) {
  std::map<Configuration, double> out;
  for (const Configuration& at : asked) {
    if (at.placement.nodes() > 1) out[on_one_node(at)] = 1;
  }
  std::vector<Configuration> at;
  for (const auto& [one, unknown] : out) at.push_back(one);
  std::vector<LogNormal> logs;
  std::vector<StepTime<>> parts(at.size());
  workload.predict(at, logs, &parts);
  for (size_t i = 0; i < at.size(); ++i) {
    out[at[i]] = std::exp(logs[i].mean) / parts[i].total().value();
  }
  return out;
}

}  // namespace

std::string Unexpected::text() const {
  return "measured at " + format_duration(measured) + " a step" +
         (runs > 1 ? " in " + std::to_string(runs) + " runs" : "") +
         ", where all measurements together expect " + format_duration(expected) +
         (runs < kBelievedRuns ? ": a slip, or its own" : "");
}

Seconds<> Prediction::exposed_low() const {
  const Seconds<> least = parts.exposed_communication - (step_time - low);
  return least.value() > 0 ? least : Seconds<>(0);
}

struct Predictor::State {
  /// A workload's hypotheses, conditioned when it is first asked.
  struct Workload {
    std::once_flag once;
    std::vector<ConditionedWorkload> hypotheses;
    std::map<Configuration, const UnexpectedPoint*> unexpected;
    std::unique_ptr<NaivePredictor> fallback;
  };

  /// Of a network: lone_interval_scale() by hypothesis, found when it is first asked.
  struct LoneScales {
    std::once_flag once;
    std::vector<double> by_hypothesis;
  };

  explicit State(Calibration c)
      : calibration(std::move(c)),
        workloads(calibration.workloads.size()),
        scales(calibration.networks.size()) {}

  const std::vector<double>& lone_scales(int network) const {
    LoneScales& out = scales[network];
    std::call_once(out.once, [&] {
      for (size_t h = 0; h < calibration.networks[network].hypotheses.size(); ++h) {
        out.by_hypothesis.push_back(lone_interval_scale(calibration, network, h));
      }
    });
    return out.by_hypothesis;
  }

  const Workload& ready(size_t index) const {
    Workload& out = workloads[index];
    std::call_once(out.once, [&] {
      const WorkloadCalibration& w = calibration.workloads[index];
      const NetworkCalibration& network = calibration.networks[w.network];
      for (size_t h = 0; h < w.hypotheses.size(); ++h) {
        const double scale = w.max_gpus == 1 ? lone_scales(w.network)[h] : network.interval_scale;
        out.hypotheses.emplace_back(condition(calibration, w, h),
                                    measured_world(calibration, w.network), scale);
      }
      for (const UnexpectedPoint& p : w.unexpected) out.unexpected[p.at] = &p;
      if (w.method != "model" && w.method != kFormulas) {
        std::vector<FitPoint> points;
        for (const FittedPoint& p : w.points) points.push_back({p.at, p.step_time_s});
        out.fallback = std::make_unique<NaivePredictor>(points);
      }
    });
    return out;
  }

  /// Of one workload: asked[i] goes to out[known[i]].
  void predict(size_t index, const std::vector<Configuration>& asked,
               const std::vector<size_t>& known, std::vector<Prediction>& out) const {
    const WorkloadCalibration& w = calibration.workloads[index];
    const NetworkCalibration& network = calibration.networks[w.network];
    const Workload& conditioned = ready(index);
    std::vector<std::vector<LogNormal>> logs(conditioned.hypotheses.size());
    std::vector<StepTime<>> parts(asked.size());
    std::vector<double> weights;
    for (size_t h = 0; h < logs.size(); ++h) {
      conditioned.hypotheses[h].predict(asked, logs[h], h == 0 ? &parts : nullptr);
      weights.push_back(network.hypotheses[h].weight);
    }
    const auto node = node_over_formula(conditioned.hypotheses.front(), asked);
    for (size_t i = 0; i < asked.size(); ++i) {
      std::vector<LogNormal> mixture;
      for (const auto& of_hypothesis : logs) mixture.push_back(of_hypothesis[i]);
      LogInterval log = interval_of(mixture, weights, network.max_nodes);
      // It won beyond what was measured. Inside, what was measured is known better.
      Prediction& p = out[known[i]];
      p.formula = parts[i].total();
      if (w.method != "model" && asked[i].world_size() > w.max_gpus) {
        const double other_s = w.method == kFormulas
                                   ? p.formula.value()
                                   : conditioned.fallback->predict(w.method, asked[i]);
        log = around(std::log(other_s), std::log1p(w.method_error), log);
      }
      const auto unexpected = conditioned.unexpected.find(asked[i]);
      if (unexpected != conditioned.unexpected.end()) {
        const UnexpectedPoint& measured = *unexpected->second;
        p.unexpected = {Seconds<>(measured.step_time_s), Seconds<>(std::exp(log.point)),
                        measured.runs};
        log = over_unexpected(log, measured);
      }
      p.step_time = Seconds<>(std::exp(log.point));
      p.low = Seconds<>(std::exp(log.low));
      p.high = Seconds<>(std::exp(log.high));
      const auto own = node.find(on_one_node(asked[i]));
      p.parts = parts_of(parts[i], p.step_time,
                         own == node.end() ? p.step_time / parts[i].total() : own->second);
      p.doublings_beyond = doublings_beyond(asked[i], network.max_gpus);
    }
  }

  Calibration calibration;
  mutable std::vector<Workload> workloads;
  mutable std::vector<LoneScales> scales;
};

Predictor::Predictor(Calibration calibration)
    : state_(std::make_shared<State>(std::move(calibration))) {}

const Calibration& Predictor::calibration() const { return state_->calibration; }

Reach Predictor::reach(const std::string& model) const {
  const WorkloadCalibration* w = state_->calibration.find(model);
  if (w == nullptr) return {};
  const NetworkCalibration& network = state_->calibration.networks[w->network];
  return {network.max_gpus, network.max_nodes};
}

Prediction Predictor::predict(const std::string& model, const Configuration& at) const {
  return predict(model, std::vector{at}).front();
}

std::vector<Prediction> Predictor::predict(const std::string& model,
                                           const std::vector<Configuration>& at) const {
  const std::string device = state_->calibration.device == "cpu" ? "rank" : "GPU";
  std::vector<Prediction> out(at.size());
  // A model in another precision or strategy is another workload: group by name.
  std::map<std::string, std::vector<size_t>> by_name;
  for (size_t i = 0; i < at.size(); ++i) by_name[workload_name(model, at[i])].push_back(i);
  for (const auto& [name, indices] : by_name) {
    const WorkloadCalibration* w = state_->calibration.find(name);
    if (w == nullptr) {
      for (const size_t i : indices) {
        out[i].refused = name + " was never measured; settle it with: measure --model " + model +
                         measure_options(at[i]);
      }
      continue;
    }
    const NetworkCalibration& network = state_->calibration.networks[w->network];
    std::vector<size_t> known;
    std::vector<Configuration> asked;
    for (const size_t i : indices) {
      out[i].refused = refusal(*w, network, at[i], device);
      if (!out[i].refused.empty()) continue;
      known.push_back(i);
      asked.push_back(at[i]);
      // Asked for by its name (`resnet18/zero1`), a workload still has its own formula and rows.
      if (w->points.empty()) continue;
      asked.back().strategy = w->points.front().at.strategy;
      asked.back().precision = w->points.front().at.precision;
    }
    state_->predict(static_cast<size_t>(w - state_->calibration.workloads.data()), asked, known,
                    out);
  }
  return out;
}

}  // namespace forerun
