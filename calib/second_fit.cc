#include "calib/second_fit.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "calib/interval_scale.h"

namespace forerun {
namespace {

/// The baseline, or the formulas without what was learnt from residuals, that beat the model
/// clearly on points neither had seen: by half at the median and not worse at the 90th percentile.
/// One scale left out is little to judge by, so less is luck.
struct Method {
  std::string name = "model";
  double error = 0;  ///< 90th percentile; 0 for the model, which has intervals of its own
};
Method better_method(const WorkloadCheck& inside) {
  constexpr int kEnough = 8;
  Method best;
  double error = 0.5 * inside.model.ape_median;
  if (inside.model.points < kEnough) return best;
  std::map<std::string, HeldOut> others = inside.naive;
  others[kFormulas] = inside.formulas;
  for (const auto& [name, other] : others) {
    if (other.ape_median < error && other.ape_p90 <= inside.model.ape_p90) {
      best = {name, other.ape_p90};
      error = other.ape_median;
    }
  }
  return best;
}

/// Whether the second fit saw two nodes at most where all rows have more. It had to guess, then,
/// whether more are like two, which all rows settle: its intervals are wide for that, so that a hit
/// is no reason to narrow, and its point is off, so that a baseline wins by luck.
bool had_to_guess(const Calibration& fewer, const NetworkCalibration& network,
                  const Ingredients& ingredients) {
  const NetworkCalibration* same = fewer.network_of(network.cluster);
  return ingredients.two_nodes && same != nullptr && same->max_nodes <= 2 && network.max_nodes > 2;
}

/// By how much more or less than they claimed the second fit's intervals of a network missed.
double scale_of_misses(const Calibration& whole, int network,
                       const std::map<std::string, WorkloadCheck>& checks) {
  constexpr int kEnough = 3;       // points left out, to say anything
  constexpr size_t kBelieved = 2;  // the scale left out is nearer than those that are asked about
  std::vector<double> misses;
  for (const WorkloadCalibration& w : whole.workloads) {
    const auto found = checks.find(w.name);
    if (w.network != network || found == checks.end()) continue;
    if (found->second.model.points >= kEnough) misses.push_back(found->second.model.miss_90);
  }
  return interval_scale(misses, kBelieved);
}

}  // namespace

void learn_from_second_fit(const Calibration& fewer, const Split& split,
                           const Ingredients& ingredients, Calibration& whole) {
  const std::map<std::string, WorkloadCheck> checks = check_workloads(fewer, split);
  std::vector<bool> guessed;
  for (size_t n = 0; n < whole.networks.size(); ++n) {
    NetworkCalibration& network = whole.networks[n];
    guessed.push_back(had_to_guess(fewer, network, ingredients));
    if (guessed.back()) {
      const std::string of_cluster = whole.networks.size() > 1 ? " of " + network.cluster : "";
      whole.held_out_by += "; with two nodes" + of_cluster +
                           " at most, that fit had to guess whether more are like them";
    }
    if (!ingredients.misses) continue;
    const double scale = scale_of_misses(whole, static_cast<int>(n), checks);
    network.interval_scale = guessed.back() ? std::max(1.0, scale) : scale;
  }
  for (WorkloadCalibration& w : whole.workloads) {
    const auto found = checks.find(w.name);
    if (found == checks.end()) continue;
    const Method method = guessed[w.network] ? Method{} : better_method(found->second);
    w.method = method.name;
    w.method_error = method.error;
    w.held_out = found->second.model;
    w.naive = found->second.naive;
  }
}

}  // namespace forerun
