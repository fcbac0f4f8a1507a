#include "calib/evidence.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "calib/block_variance.h"
#include "calib/compute_line.h"
#include "model/statistics.h"

namespace forerun {
namespace {

/// The median over rows of an optional part of the step, as a share of the step.
template <class Part>
std::optional<double> median_share(const Rows& rows, Part part) {
  std::vector<double> shares;
  for (const Observation* row : rows) {
    if (const std::optional<double> value = part(*row)) shares.push_back(*value / row->step_time_s);
  }
  if (shares.empty()) return std::nullopt;
  return median(shares);
}

/// All-reduces of a bucketed reducer: 1 MiB first, then 25 MiB. Source: PyTorch reducer.hpp,
/// kDefaultFirstBucketBytes, kDefaultBucketBytesCap.
double bucket_count(double grad_bytes) {
  constexpr double kFirst = 1 << 20;
  constexpr double kNext = 25 << 20;
  return grad_bytes <= kFirst ? 1 : 1 + std::ceil((grad_bytes - kFirst) / kNext);
}

WorkloadTraits traits_of(const std::string& name, const Rows& rows, double grad_bytes) {
  WorkloadTraits traits;
  traits.name = name;
  if (grad_bytes > 0) traits.buckets = bucket_count(grad_bytes);
  Rows alone;
  for (const Observation* row : rows) {
    if (row->at.world_size() == 1 && row->at.accumulation == 1) alone.push_back(row);
  }
  const auto backward = median_share(alone, [](const Observation& o) { return o.backward_s; });
  if (backward) traits.serial_share = std::clamp(1.0 - *backward, 0.0, 0.95);
  std::vector<double> optimizer;
  for (const Observation* row : alone) {
    if (row->optimizer_s) optimizer.push_back(*row->optimizer_s);
  }
  if (!optimizer.empty()) traits.optimizer_s = median(optimizer);
  return traits;
}

std::map<std::string, Rows> rows_by_name(const std::vector<Observation>& observations) {
  std::map<std::string, Rows> rows;
  for (const Observation& o : observations) rows[workload_name(o.model, o.at)].push_back(&o);
  return rows;
}

/// `/zero1@bfloat16`
std::string name_suffix(const Configuration& at) {
  std::string suffix;
  if (at.strategy != "ddp" && at.strategy != "serial") suffix += "/" + at.strategy;
  if (at.precision != "float32") suffix += "@" + at.precision;
  return suffix;
}

/// What its points tell of compute beside the line, and where they tell it.
void add_curve(WorkloadEvidence& workload) {
  const ComputeLine line = compute_line(workload.points);
  workload.traits.shape = shape_around(line, workload.points);
  workload.traits.curve_variance = curve_variance(line, workload.points);
  std::set<int> any, one_rank;
  for (const FitPoint& p : workload.points) {
    any.insert(p.at.local_batch);
    if (p.at.world_size() == 1) one_rank.insert(p.at.local_batch);
  }
  workload.traits.batches.assign(any.begin(), any.end());
  workload.traits.one_rank_batches.assign(one_rank.begin(), one_rank.end());
}

bool counts(const MeasuredConfiguration& measured) {
  return measured.status == "ok" && !measured.step_times().empty();
}

/// Older profiles do not know their blocks: steps in a row, as many as make a mean.
Blocks blocks_of(const MeasuredConfiguration& measured) {
  Blocks blocks = measured.blocks();
  if (!blocks.empty()) return blocks;
  for (const double step : measured.step_times()) {
    if (blocks.empty() || static_cast<double>(blocks.back().size()) >= kStepsOfAMean) {
      blocks.emplace_back();
    }
    blocks.back().push_back(step);
  }
  return blocks;
}

}  // namespace

Coordinates coordinates_of(const Configuration& at) {
  return {std::log2(at.local_batch), std::log2(at.placement.nodes()),
          std::log2(at.placement.mean_ranks_per_node())};
}

Scale scale_of(const Configuration& at) { return {at.placement.nodes(), at.world_size()}; }

std::string workload_name(const std::string& model, const Configuration& at) {
  const std::string suffix = name_suffix(at);
  return model.ends_with(suffix) ? model : model + suffix;
}

std::string model_of(const std::string& workload, const Configuration& at) {
  const std::string suffix = name_suffix(at);
  return workload.ends_with(suffix) ? workload.substr(0, workload.size() - suffix.size())
                                    : workload;
}

std::string measure_options(const Configuration& at) {
  return (at.strategy == "ddp" ? "" : " --strategy " + at.strategy) +
         (at.precision == "float32" ? "" : " --precision " + at.precision);
}

std::string without_cluster(const std::string& name, const NetworkCalibration& network) {
  const std::string prefix = network.cluster.empty() ? "" : network.cluster + ":";
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

std::string measure_arguments(const WorkloadCalibration& workload,
                              const NetworkCalibration& network) {
  const std::string name = without_cluster(workload.name, network);
  if (workload.points.empty()) return name;
  const Configuration& measured = workload.points.front().at;
  return model_of(name, measured) + measure_options(measured);
}

Evidence gather_evidence(const std::vector<Observation>& observations) {
  Evidence evidence;
  for (const auto& [name, rows] : rows_by_name(observations)) {
    WorkloadEvidence workload;
    const Rows runs = distinct_runs(rows);
    std::vector<double> grad_bytes;
    for (const Observation* run : runs) {
      if (run->grad_bytes) grad_bytes.push_back(*run->grad_bytes);
    }
    if (!grad_bytes.empty()) workload.grad_bytes = median(grad_bytes);
    workload.traits = traits_of(name, runs, workload.grad_bytes);
    FitPoints points = fit_points(rows);
    workload.points = std::move(points.points);
    workload.traits.repeat_variance = points.repeat_variance;
    add_curve(workload);
    evidence.workloads.push_back(std::move(workload));
  }
  return evidence;
}

void add_own_shares(const std::vector<Observation>& observations, Evidence& evidence) {
  const std::map<std::string, Rows> rows = rows_by_name(observations);
  for (WorkloadEvidence& workload : evidence.workloads) {
    add_own_shares(rows.at(workload.traits.name), workload.points);
    add_curve(workload);
  }
}

void thin_out(Evidence& evidence) {
  constexpr size_t kMostPoints = 256;
  for (WorkloadEvidence& workload : evidence.workloads) {
    std::vector<FitPoint>& points = workload.points;
    if (points.size() <= kMostPoints) continue;
    for (size_t i = 0; i < kMostPoints; ++i) points[i] = points[i * points.size() / kMostPoints];
    points.resize(kMostPoints);
  }
}

std::vector<Observation> observations_of(const Profile& profile) {
  std::vector<Blocks> blocks;
  for (const WorkloadProfile& workload : profile.workloads) {
    for (const MeasuredConfiguration& measured : workload.configurations) {
      if (counts(measured)) blocks.push_back(blocks_of(measured));
    }
  }
  const std::vector<Repeatability> repeatabilities = repeatability(blocks);
  auto next = repeatabilities.begin();
  std::vector<Observation> out;
  for (const WorkloadProfile& workload : profile.workloads) {
    for (const MeasuredConfiguration& measured : workload.configurations) {
      if (!counts(measured)) continue;
      Observation o;
      o.model = workload.name;
      o.at = measured.at;
      o.role = measured.role;
      o.step_time_s = median(measured.step_times());
      const Repeatability& repeats = *next++;
      // Blocks repeat each other, not steps: each counts as the mean that an interval is for.
      o.steps = kStepsOfAMean * repeats.blocks;
      o.stddev_s = std::sqrt(kStepsOfAMean * repeats.block_variance) * o.step_time_s;
      o.grad_bytes = workload.grad_bytes;
      o.peak_memory_bytes = measured.peak_memory_bytes;
      for (const GpuConditions& gpu : measured.gpus) {
        if (gpu.allocated_bytes <= o.allocated_bytes) continue;
        o.allocated_bytes = gpu.allocated_bytes;
        o.library_bytes = gpu.library_bytes;
      }
      const RankSteps& rank = measured.ranks.front();
      const auto positive = [](double value) {
        return value > 0 ? std::optional(value) : std::nullopt;
      };
      o.forward_s = positive(median(rank.forward_s));
      o.backward_s = positive(median(rank.backward_s));
      o.optimizer_s = median(rank.optimizer_s);
      out.push_back(std::move(o));
    }
  }
  return out;
}

namespace {

/// A quarter of the smallest bucket that any workload sends: what is smaller is a matter of
/// latencies that no step feels. 0 where a workload's buckets are not known.
double least_size_that_counts(const Evidence& evidence) {
  constexpr double kNear = 0.25;
  double least = std::numeric_limits<double>::infinity();
  for (const WorkloadEvidence& workload : evidence.workloads) {
    if (workload.traits.bucket_shares.empty()) return 0;
    for (const BucketShare& share : workload.traits.bucket_shares) {
      least = std::min(least, kNear * share.bytes * workload.grad_bytes);
    }
  }
  return std::isfinite(least) ? least : 0;
}

}  // namespace

void add_sweeps(const Profile& profile, Evidence& evidence) {
  const double least = least_size_that_counts(evidence);
  const bool allreduces = std::ranges::any_of(profile.network, [](const SweepPoint& point) {
    return point.collective == "allreduce" && !point.samples_s.empty();
  });
  for (const SweepPoint& point : profile.network) {
    const std::optional<Collective> collective = find_collective(point.collective);
    if (!collective || point.samples_s.empty() || point.size_bytes < least) continue;
    if (allreduces && collective != Collective::kAllreduce) continue;
    evidence.sweeps.push_back({*collective, point.placement, point.size_bytes,
                               median(point.samples_s), relative_median_variance(point.samples_s)});
  }
}

}  // namespace forerun
