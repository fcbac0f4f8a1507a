// calibration.json: what `calibrate` learnt, complete enough to predict from without the
// measurements.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/configuration.h"
#include "model/io/json_reader.h"
#include "model/memory.h"
#include "model/step_time.h"

namespace forerun {

inline constexpr int kCalibrationVersion = 1;

/// One fitted parameter. `log` parameters are fitted as ln(value).
struct Parameter {
  std::string name;     ///< `network.beta_inter_s_per_byte`, `resnet18.launch_s`
  double estimate = 0;  ///< in fitted form: ln(value) where `log`
  double sd = 0;        ///< of the fitted form, given the data
  bool log = true;
  double prior_sd = 0;
  bool determined = true;  ///< false: the data say little more than the prior did

  double value() const;
  double low() const;  ///< 90 % interval
  double high() const;
};

/// A mean step time that was fitted, kept so that the residual process can be conditioned on it
/// again.
struct FittedPoint {
  Configuration at;
  double step_time_s = 0;
  double noise_variance = 0;  ///< of its logarithm, beside the process's own noise
};

/// A mean step time of several ranks that all measurements together do not expect.
struct UnexpectedPoint {
  Configuration at;
  double step_time_s = 0;
  double variance = 0;  ///< of its logarithm, as far as that was measured
  int runs = 1;         ///< that it is the mean of
};

/// Held-out error of one way to predict, on log step time.
struct HeldOut {
  int points = 0;                                   ///< compared
  int refused = 0;                                  ///< not predicted, and not among the points
  double ape_median = 0, ape_p90 = 0, ape_max = 0;  ///< |predicted/observed - 1|
  double bias = 0;                                  ///< mean of ln(predicted/observed)
  double coverage_90 = 0, log_width_90 = 0;         ///< share inside; mean of ln(high/low)
  /// 90th percentile of the miss over the half of the 90 % interval on its side, in log: 1 where
  /// intervals are right, 2 where they should be twice as wide; 0: no interval was given.
  double miss_90 = 0;
  double interval_score = 0;  ///< of the 90 % interval, in log step time (smaller is better)
  double regret = 0;  ///< throughput lost by choosing with these predictions, of all observed
};

/// Its doubles by their keys, in calibrations and reports.
inline constexpr std::array<std::pair<const char*, double HeldOut::*>, 9> kHeldOutFields = {
    {{"ape_median", &HeldOut::ape_median},
     {"ape_p90", &HeldOut::ape_p90},
     {"ape_max", &HeldOut::ape_max},
     {"bias", &HeldOut::bias},
     {"coverage_90", &HeldOut::coverage_90},
     {"log_width_90", &HeldOut::log_width_90},
     {"miss_90", &HeldOut::miss_90},
     {"interval_score", &HeldOut::interval_score},
     {"regret", &HeldOut::regret}}};
Json to_json(const HeldOut& held_out);

/// A block of parameters under one hypothesis, in fitted form (logarithms where Parameter::log).
struct ParameterBlock {
  std::vector<double> prior_mean, prior_sd, estimate;
};

/// The Gaussian process on log residuals: relative amplitudes, and length scales in doublings. See
/// calib/residual_process.h.
struct ResidualProcess {
  double compute_sd = 0;              ///< of the compute curve
  double compute_length = 0;          ///< in log2(batch)
  double scale_sd = 0;                ///< of everything, along nodes and ranks per node
  double batch_length = 0;            ///< how that varies in log2(batch)
  double placement_sd = 0;            ///< of one placement against its neighbours
  double noise_sd = 0;                ///< of a mean step time
  double communication_noise_sd = 0;  ///< more of it, where communication dominates
  double sweep_sd = 0;                ///< of the all-reduce curve, in log2(size)
};

/// One way to read the data (two nodes may differ from more, or not), and how probable it is given
/// them.
struct Hypothesis {
  std::string name;
  double weight = 1;  ///< posterior probability; they add up to 1
  ParameterBlock network;
  std::vector<double> network_covariance;  ///< [network parameters x network parameters], row-major
  ResidualProcess process;
};

/// What names of a cluster's parameters and workloads begin with where a calibration is of several
/// clusters: `cluster` and the separator. Empty where it is of one, or the cluster has no name.
std::string cluster_prefix(const std::string& cluster, bool several, char separator);

/// The network of one cluster.
struct NetworkCalibration {
  std::string cluster;                 ///< empty where the observations name none
  std::vector<Hypothesis> hypotheses;  ///< most probable form of the point estimate first
  bool intra_measured = false;         ///< something ran on several ranks of one node
  bool inter_measured = false;         ///< something ran on several nodes
  bool bytes_known = false;   ///< alpha and beta are per hop and byte, not only up to a factor
  double interval_scale = 1;  ///< of standard deviations on several ranks, from the inner check
  int max_nodes = 0, max_gpus = 0, max_gpus_per_node = 0;
  double least_sweep_bytes = 0;  ///< of a collective that was swept and fitted; 0: none was
};

struct WorkloadCalibration {
  std::string name;
  int network = 0;        ///< index into Calibration::networks
  double grad_bytes = 0;  ///< 0: unknown, then the wire's bytes are fitted
  double buckets = 1;
  double serial_share = 0.35;
  double optimizer_s = 0;
  double load_s_per_sample = 0;
  std::vector<BucketShare> bucket_shares;  ///< empty: never seen
  double collective_slowdown = 1;          ///< a collective beside backward against alone
  double compute_slowdown = 1;             ///< backward beside a collective against alone
  CollectiveFactors collective_factors;    ///< on their formulas, where sweeps saw them
  double repeat_variance = 0;  ///< of ln(mean of 16 steps) when the same thing runs again
  std::vector<double> shape_log_batch, shape_log_factor;  ///< CurveShape
  std::vector<FittedPoint> points;
  std::vector<UnexpectedPoint> unexpected;
  double amplitude = 1;  ///< its residual process's sds over its cluster's; at least 1
  std::vector<ParameterBlock> hypotheses;  ///< one for each of its network's
  std::vector<int> batches_measured;       ///< local batches, ascending
  std::vector<int> one_rank_batches;       ///< those that one rank ran
  double curve_variance = 0;  ///< of ln compute, a doubling of the batch from measured ones
  std::optional<MemoryModel> memory;
  std::optional<double> noise_scale;
  int min_gpus = 1, max_gpus = 0, max_nodes = 0, max_gpus_per_node = 0;  ///< that were run
  std::optional<HeldOut> held_out;
  std::map<std::string, HeldOut> naive;  ///< `ideal`, `carry_forward`, `linear`
  std::string method =
      "model";              ///< `model`, or the baseline that beat it on points neither had seen
  double method_error = 0;  ///< 90th percentile of that baseline's error there
};

struct Calibration {
  std::string source;       ///< `profile.json`, or the observation files
  std::string device;       ///< empty where unknown
  std::string label;        ///< `emulated`, `recorded compute`; empty for a real machine
  std::string held_out_by;  ///< what the held-out errors were computed on, in words
  int max_ranks = 0;        ///< ranks of that machine without sharing a core or GPU; 0: unknown
  int threads_per_rank = 1;
  double memory_per_rank_bytes = 0;   ///< capacity; 0: unknown
  std::vector<Parameter> parameters;  ///< for people: network first, then `<workload>.<name>`
  std::vector<NetworkCalibration> networks;
  std::vector<WorkloadCalibration> workloads;
  double fit_seconds = 0;
  bool converged = true;

  const WorkloadCalibration* find(const std::string& model) const;
  /// The network of a cluster; the only one where either has no name. nullptr: not known.
  const NetworkCalibration* network_of(const std::string& cluster) const;
  /// The parameter by name, or nullptr.
  const Parameter* parameter(const std::string& name) const;
};

Calibration load_calibration(const std::filesystem::path& path);
void save_calibration(const std::filesystem::path& path, const Calibration& calibration);

}  // namespace forerun
