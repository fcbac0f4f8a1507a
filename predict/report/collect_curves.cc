#include "predict/report/collect_curves.h"

#include <algorithm>
#include <map>
#include <set>

#include "calib/evidence.h"
#include "model/collective.h"
#include "model/error.h"
#include "model/statistics.h"
#include "predict/forecast.h"
#include "predict/search.h"

namespace forerun {
namespace {

constexpr size_t kMostBatches = 4;     // more curves than that hide each other
constexpr size_t kMostPlacements = 6;  // likewise
constexpr int kPointsPerCurve = 60;

/// The batch that a curve keeps: of all ranks, or of each.
enum class Kept { kGlobal, kLocal };

long batch_of(const Configuration& at, Kept kept) {
  return kept == Kept::kGlobal ? at.global_batch() : at.local_batch;
}

/// What was seen of one workload at each batch, by configuration.
using Seen = std::map<long, std::vector<std::pair<Configuration, ScalingObservation>>>;

Seen observations_of(const WorkloadCalibration& workload, const std::vector<RunCheck>& checks,
                     Kept kept) {
  Seen seen;
  for (const FittedPoint& p : workload.points) {
    if (p.at.accumulation > 1) continue;
    seen[batch_of(p.at, kept)].push_back({p.at, {p.at.world_size(), p.step_time_s, false}});
  }
  for (const RunCheck& c : checks) {
    if (c.at.accumulation > 1 || workload_name(c.model, c.at) != workload.name) continue;
    seen[batch_of(c.at, kept)].push_back(
        {c.at, {c.at.world_size(), c.observed_s, !c.measured_before}});
  }
  return seen;
}

/// The batches with most check runs, then most of anything, then the larger; ascending.
std::vector<long> batches_to_show(const Seen& seen) {
  std::vector<std::tuple<long, size_t, long>> ranked;
  for (const auto& [batch, observations] : seen) {
    const auto checks = std::count_if(observations.begin(), observations.end(),
                                      [](const auto& o) { return o.second.check; });
    ranked.emplace_back(checks, observations.size(), batch);
  }
  std::sort(ranked.rbegin(), ranked.rend());
  if (ranked.size() > kMostBatches) ranked.resize(kMostBatches);
  std::vector<long> batches;
  for (const auto& [checks, count, batch] : ranked) batches.push_back(batch);
  std::sort(batches.begin(), batches.end());
  return batches;
}

/// World sizes and nodes that curves run over.
struct Extent {
  int ranks = 1;
  int per_node = 1;
};

Extent extent_of(const Machine& machine, const Seen& seen) {
  const int hosts = std::max<int>(1, static_cast<int>(machine.hosts.size()));
  Extent extent{std::max(1, machine.max_ranks), std::max(1, machine.max_ranks / hosts)};
  for (const auto& [batch, observations] : seen) {
    for (const auto& [at, observation] : observations) {
      extent.ranks = std::max(extent.ranks, at.world_size());
      extent.per_node = std::max(extent.per_node, at.placement.max_ranks_per_node());
    }
  }
  return extent;
}

BatchScaling collect_batch(const Predictor& predictor, const WorkloadCalibration& workload,
                           const Extent& extent, long batch, Kept kept, const Seen& seen) {
  const Configuration& like = workload.points.front().at;
  BatchScaling out;
  out.batch = batch;
  std::vector<Configuration> configurations;
  std::set<int> sizes = {extent.ranks};
  for (int n = 1; n <= extent.ranks; ++n) {
    if (kept == Kept::kGlobal ? batch % n == 0 : (n & (n - 1)) == 0) sizes.insert(n);
  }
  for (const auto& [at, observation] : seen.at(batch)) sizes.insert(at.world_size());
  for (const int n : sizes) {
    if (kept == Kept::kGlobal && batch % n != 0) continue;
    Configuration at = like;
    at.placement = packed_placement(n, extent.per_node);
    at.local_batch = static_cast<int>(kept == Kept::kGlobal ? batch / n : batch);
    at.accumulation = 1;
    configurations.push_back(at);
  }
  const std::vector<Prediction> predictions =
      predictor.predict(model_of(workload.name, like), configurations);
  for (size_t i = 0; i < configurations.size(); ++i) {
    if (predictions[i].refused.empty()) out.points.push_back({configurations[i], predictions[i]});
    for (const auto& [at, observation] : seen.at(batch)) {
      const Placement& placement = configurations[i].placement;
      if (at.world_size() == placement.world_size() && at.placement.nodes() == placement.nodes()) {
        out.observed.push_back(observation);
      }
    }
  }
  return out;
}

/// The fitted network of a profile, which has one.
Network<> fitted_network(const Calibration& calibration) {
  const auto value = [&](const char* name) {
    const Parameter* parameter = calibration.parameter(std::string("network.") + name);
    return parameter == nullptr ? 0.0 : parameter->value();
  };
  Network<> network;
  network.intra = {Seconds<>(value("alpha_intra_s")),
                   SecondsPerByte<>(value("beta_intra_s_per_byte"))};
  network.inter = {Seconds<>(value("alpha_inter_s")),
                   SecondsPerByte<>(value("beta_inter_s_per_byte"))};
  network.nic_sharing = value("nic_sharing");
  network.congestion = value("congestion");
  network.two_nodes = value("two_nodes");
  return network;
}

/// Whether all-reduces on this placement went into the fit in seconds, not only up to a factor.
bool is_fitted(const Calibration& calibration, const Placement& placement) {
  if (calibration.networks.size() != 1) return false;
  const NetworkCalibration& network = calibration.networks.front();
  return network.bytes_known &&
         (placement.nodes() == 1 ? network.intra_measured : network.inter_measured);
}

std::vector<TransferSample> fitted_curve(const Network<>& network, const Placement& placement,
                                         double least_bytes, double most_bytes) {
  std::vector<TransferSample> curve;
  for (int i = 0; i <= kPointsPerCurve; ++i) {
    const double size =
        least_bytes * std::pow(most_bytes / least_bytes, static_cast<double>(i) / kPointsPerCurve);
    curve.push_back({size, allreduce_time(network, Bytes<>(size), placement).value(), 0, 0});
  }
  return curve;
}

}  // namespace

std::vector<WorkloadScaling> collect_scaling(const Machine& machine, const Predictor& predictor,
                                             const std::vector<RunCheck>& checks) {
  std::vector<WorkloadScaling> out;
  for (const WorkloadCalibration& workload : predictor.calibration().workloads) {
    if (workload.points.empty()) continue;
    const auto curves = [&](Kept kept) {
      const Seen seen = observations_of(workload, checks, kept);
      const Extent extent = extent_of(machine, seen);
      std::vector<BatchScaling> batches;
      for (const long batch : batches_to_show(seen)) {
        BatchScaling one = collect_batch(predictor, workload, extent, batch, kept, seen);
        if (!one.points.empty()) batches.push_back(std::move(one));
      }
      return batches;
    };
    WorkloadScaling scaling{workload.name, curves(Kept::kGlobal), curves(Kept::kLocal)};
    if (!scaling.strong.empty()) out.push_back(std::move(scaling));
  }
  return out;
}

std::vector<RecommendedSize> collect_recommended(const Predictor& predictor) {
  std::vector<RecommendedSize> out;
  for (const WorkloadCalibration& workload : predictor.calibration().workloads) {
    if (workload.points.empty()) continue;
    const Configuration& like = workload.points.front().at;
    long least = like.global_batch(), most = least;
    for (const FittedPoint& point : workload.points) {
      least = std::min(least, point.at.global_batch());
      most = std::max(most, point.at.global_batch());
    }
    for (long batch = least; batch <= most; batch *= 2) {
      Question question;
      question.model = model_of(workload.name, like);
      question.batch = batch;
      question.strategy = like.strategy;
      question.precision = like.precision;
      try {
        const Forecast forecast = make_forecast(question, subject_of(predictor, question));
        const Candidate* best = forecast.recommended();
        if (best != nullptr) out.push_back({workload.name, batch, best->at.world_size()});
      } catch (const UsageError&) {
        // No world size divides this batch: nothing to recommend for it.
      }
    }
  }
  return out;
}

std::vector<AllreduceCurve> collect_allreduce(const Profile& profile,
                                              const Calibration& calibration) {
  std::map<Placement, std::map<double, std::vector<double>>> sweeps;
  for (const SweepPoint& point : profile.network) {
    if (point.collective != "allreduce" || point.samples_s.empty()) continue;
    auto& samples = sweeps[point.placement][point.size_bytes];
    samples.insert(samples.end(), point.samples_s.begin(), point.samples_s.end());
  }
  const Network<> network = fitted_network(calibration);
  std::vector<AllreduceCurve> out;
  for (const auto& [placement, sizes] : sweeps) {
    AllreduceCurve curve;
    curve.placement = placement;
    for (const auto& [size, samples] : sizes) {
      curve.measured.push_back(
          {size, median(samples), quantile(samples, 0.1), quantile(samples, 0.9)});
    }
    if (is_fitted(calibration, placement)) {
      // Sizes that no bucket comes near were not fitted: no line there.
      const double least =
          std::max(sizes.begin()->first, calibration.networks.front().least_sweep_bytes);
      const double most = sizes.rbegin()->first;
      if (least < most) curve.fitted = fitted_curve(network, placement, least, most);
    }
    out.push_back(std::move(curve));
  }
  std::sort(out.begin(), out.end(), [](const AllreduceCurve& a, const AllreduceCurve& b) {
    return a.placement.world_size() < b.placement.world_size();
  });
  if (out.size() > kMostPlacements) {
    out.erase(out.begin(), out.end() - static_cast<long>(kMostPlacements));
  }
  return out;
}

}  // namespace forerun
