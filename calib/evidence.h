// Everything that was measured on one cluster, as the fit sees it: workloads with their mean step
// times, and sweeps.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calib/fit_points.h"
#include "calib/parameters.h"
#include "model/io/calibration.h"
#include "model/io/observations.h"
#include "model/io/profile.h"

namespace forerun {

/// The place of a configuration on the axes along which misfit is smooth, in doublings.
struct Coordinates {
  double batch = 0;           ///< log2 of the local batch, or of a sweep's bytes
  double nodes = 0;           ///< log2
  double ranks_per_node = 0;  ///< log2 of the mean
};

Coordinates coordinates_of(const Configuration& at);

/// Nodes and ranks.
using Scale = std::pair<int, int>;
Scale scale_of(const Configuration& at);

/// How long the collectives of one configuration's step ran, hidden or not.
struct WirePoint {
  Configuration at;
  double time_s = 0;
  double relative_variance = 0;
};

struct WorkloadEvidence {
  WorkloadTraits traits;
  double grad_bytes = 0;         ///< 0: unknown
  std::vector<FitPoint> points;  ///< sorted by configuration, each once
  std::vector<WirePoint> wire;   ///< where collectives were timed; add_inside_training() says which
};

/// One collective, alone.
struct SweepEvidence {
  Collective collective = Collective::kAllreduce;
  Placement placement;
  double size_bytes = 0;
  double time_s = 0;
  double relative_variance = 0;
};

struct Evidence {
  std::vector<WorkloadEvidence> workloads;  ///< sorted by name
  std::vector<SweepEvidence> sweeps;
  std::optional<double> spread;  ///< of compute between ranks, relative, where it was measured
  bool seen_inside = false;      ///< collectives inside training were compared with alone
};

/// The name under which a workload is calibrated: the model's, with strategy and precision where
/// they are not the default (`resnet50`, `resnet50/hierarchical`, `resnet50@bfloat16`): a model in
/// another precision is another workload. A model that ends so already keeps its name.
std::string workload_name(const std::string& model, const Configuration& at);
/// The way back: `resnet50@bfloat16` in bfloat16 is `resnet50`.
std::string model_of(const std::string& workload, const Configuration& at);

/// What `measure` needs to run in the strategy and precision of `at`: ` --strategy zero1`, or
/// nothing.
std::string measure_options(const Configuration& at);
/// A calibration of several clusters names its workloads `<cluster>:<workload>`: the workload.
std::string without_cluster(const std::string& name, const NetworkCalibration& network);
/// `resnet50 --strategy zero1`: what follows `measure --model`.
std::string measure_arguments(const WorkloadCalibration& workload,
                              const NetworkCalibration& network);

/// Rows that differ only in how a placement spreads the same ranks over the same nodes become one
/// point: their mean.
Evidence gather_evidence(const std::vector<Observation>& observations);

/// The same with what `exposed_comm_s` tells of one rank by itself.
void add_own_shares(const std::vector<Observation>& observations, Evidence& evidence);

/// Keeps at most 256 points a workload, spread evenly over the sorted configurations: solving grows
/// with the cube of the points, and more of them say little that their neighbours do not.
void thin_out(Evidence& evidence);

/// Every measured configuration of a profile as observations (role `fit` or `test` as it says).
std::vector<Observation> observations_of(const Profile& profile);

/// Adds the profile's all-reduce sweeps of sizes that the workloads' buckets come near: the median
/// of each point's samples. Where only other collectives were swept (strategies that send no
/// all-reduce), those.
void add_sweeps(const Profile& profile, Evidence& evidence);

}  // namespace forerun
