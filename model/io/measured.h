// One configuration of one workload as it was measured, step by step, in profiles and runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/configuration.h"
#include "model/io/gpu.h"
#include "model/io/json_reader.h"
#include "model/repeatability.h"

namespace forerun {

/// One collective of a step on one rank, in the last steps (at most kTimelineSteps): when its input
/// was ready, and from when to when it ran. Times count from the start of the last backward; what
/// comes before it is negative. Vectors of equal length.
struct CollectiveTimeline {
  std::string collective = "allreduce";
  int bucket = 0;  ///< of gradients, in order of launch; -1: weights that travel
  double size_bytes = 0;
  std::vector<double> ready_s, start_s, end_s;

  bool operator==(const CollectiveTimeline&) const = default;
};
inline constexpr int kTimelineSteps = 32;

/// What one rank saw, step by step; the first six are of equal length, and the
/// next two where they are known.
struct RankSteps {
  int rank = 0;
  std::string host;
  std::vector<double> load_s, forward_s, backward_s, exposed_comm_s, optimizer_s, step_time_s;
  std::vector<double> taken_s;  ///< of the step, while other programs had the rank's processor
  std::vector<double> block;    ///< number of the block that the step is of, see Repeatability
  /// Of quiet steps, whose communication waits for the end of backward: backward without company,
  /// and communication without company. They are in none of the series above.
  std::vector<double> quiet_backward_s, quiet_comm_s;
  std::vector<CollectiveTimeline> timeline;  ///< in order of launch
};

/// A median with its 95 % confidence interval.
struct MedianEstimate {
  double median = 0, low = 0, high = 0;
  bool operator==(const MedianEstimate&) const = default;
};

/// The communication inside training, taken apart; absent where there is none, or nothing to
/// compare with.
struct CommunicationFigures {
  std::optional<MedianEstimate> exposed_s;  ///< what the step stood still for; slowest rank
  std::optional<MedianEstimate> waiting_s;  ///< compute of the slowest rank beyond the mean of all
  /// Collectives inside training over the same ones alone, in a sweep.
  std::optional<MedianEstimate> slower_inside;
  /// Backward beside communication over backward in quiet steps. On CPUs a collective needs a core.
  std::optional<MedianEstimate> slows_compute;
  bool operator==(const CommunicationFigures&) const = default;
};

/// One bucket of gradients on rank 0, counted from the start of backward (medians over steps): its
/// size, when backward had filled it, and from when to when its collective ran (0 where none did).
struct BucketReady {
  double size_bytes = 0;
  double ready_s = 0;
  double start_s = 0, end_s = 0;
};

/// One configuration of one workload, measured after warm-up.
struct MeasuredConfiguration {
  Configuration at;
  std::string status = "ok";  ///< `ok`; `out_of_memory`: a result, without steps
  std::string role = "fit";   ///< `fit`; `test`: a run kept to check predictions
  int warmup_steps = 0;
  double relative_half_width = 0;  ///< of the 95 % confidence interval of the median step time
  double overhead_relative = 0;    ///< measuring itself, as a share of the step
  std::optional<double> peak_memory_bytes;      ///< of the fullest rank
  std::optional<double> optimizer_state_bytes;  ///< of the rank that holds most
  std::vector<BucketReady> buckets;
  std::vector<GpuConditions> gpus;  ///< of each rank that has one
  CommunicationFigures communication;
  std::vector<RankSteps> ranks;
  std::vector<RankSteps> disturbed;  ///< steps that other programs slowed, where `ranks` has others

  /// Step by step, the slowest rank's time: a step is over when the last rank is. Empty if nothing
  /// was measured.
  std::vector<double> step_times() const;
  /// Step by step, how long its collectives ran, hidden or not. Ranks of MPI meet before they
  /// begin: from when the last began to when the last was done. On GPUs a collective begins where
  /// its rank arrives and ends for all at once: the shortest, on whatever clock. Ranks that take
  /// part in different collectives (leaders of nodes) are not compared: the first speaks for its
  /// own. Of the steps that have a timeline; empty if none has.
  std::vector<double> collective_times() const;
  /// step_times() by block; nothing where it is not known which steps make a block.
  Blocks blocks() const;
};

Json to_json(const MeasuredConfiguration& measured);
MeasuredConfiguration read_measured(const JsonReader& in);

/// The member `placement` of an object. Throws Error that names the place.
Placement read_placement(const JsonReader& in);

}  // namespace forerun
