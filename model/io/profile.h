// profile.json: what `measure` saw on one machine. Raw samples, so that a median can be judged
// later.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/configuration.h"
#include "model/io/gpu.h"
#include "model/io/json_reader.h"
#include "model/io/nccl_log.h"
#include "model/repeatability.h"
#include "model/units.h"

namespace forerun {

inline constexpr int kProfileVersion = 1;

/// What the label of a machine begins with where ranks shared a GPU: it shows that they work, not
/// how fast, and is never fitted.
inline constexpr char kSharedGpuLabel[] = "shared GPU";

struct Host {
  std::string hostname;
  std::string processor;  ///< model name
  int cores = 0;          ///< physical cores usable by us
  int numa_nodes = 1;
  double memory_bytes = 0;
  double last_level_cache_bytes = 0;
  std::vector<Gpu> gpus;  ///< that were used, in the order in which ranks of the host took them
  std::vector<Nic> nics;  ///< told where there are GPUs
};

/// The machine and how it was used. What was measured mixes only if same_machine().
struct Machine {
  /// Device kind, how many hosts of which processors and cores, threads per rank; no host names.
  std::string fingerprint;
  std::string device;  ///< `cpu`, or the GPU's name
  int max_ranks = 0;   ///< ranks that do not share a core or GPU
  int threads_per_rank = 1;
  double memory_per_rank_bytes = 0;  ///< capacity that one rank may use
  std::string label;                 ///< empty for a real machine; `emulated`, `recorded compute`
  std::string launch_line;
  std::string clock;  ///< source of the timestamps
  std::vector<Host> hosts;
  std::map<std::string, std::string>
      libraries;    ///< `libtorch`, `mpi`, `blas`, ... to version and path
  NcclReport nccl;  ///< empty where NCCL was not used
};

/// Whether the two have the same kinds of hosts, used alike: how many of each is what a
/// measurement varies, so another number of them is the same machine.
bool same_machine(const Machine& a, const Machine& b);

/// Transfer times of one collective at one size: per repetition, the minimum over ranks (a
/// collective spins until its last peer arrives).
struct SweepPoint {
  std::string collective = "allreduce";
  std::string transport;  ///< `mpi`, `nccl`
  Placement placement;
  double size_bytes = 0;
  std::vector<double> samples_s;
};

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
  /// step_times() by block; nothing where it is not known which steps make a block.
  Blocks blocks() const;
};

struct WorkloadProfile {
  std::string name;
  std::string input;  ///< `3x224x224`
  std::string optimizer;
  double parameters = 0;
  double grad_bytes = 0;
  double flop_per_sample = 0;         ///< forward and backward; 0: unknown
  std::optional<double> noise_scale;  ///< samples; from real data only
  std::vector<MeasuredConfiguration> configurations;

  /// The entry for a configuration, or nullptr.
  MeasuredConfiguration* find(const Configuration& at);
};

/// All-reduces between the first ranks of two hosts, while other pairs do the same: whose link is
/// slower than the others'.
struct HostPair {
  std::string first, second;  ///< host names
  double size_bytes = 0;
  std::vector<double> samples_s;
};

struct Profile {
  Machine machine;
  std::vector<SweepPoint> network;
  std::vector<HostPair> pairs;  ///< of neighbours, in a ring; none on one or two hosts
  std::vector<WorkloadProfile> workloads;

  /// The entry for a workload, or nullptr.
  WorkloadProfile* find(const std::string& model);
  const WorkloadProfile* find(const std::string& model) const;
};

/// Throws Error naming file, place and problem: truncated, another format, newer version, a time
/// that is not positive and finite.
Profile load_profile(const std::filesystem::path& path);
/// Atomic: see write_file_atomically().
void save_profile(const std::filesystem::path& path, const Profile& profile);

/// Shared with run.json.
Json to_json(const Host& host);
Host read_host(const JsonReader& in);
Json to_json(const Machine& machine);
Machine read_machine(const JsonReader& in);
Json to_json(const MeasuredConfiguration& measured);
MeasuredConfiguration read_measured(const JsonReader& in);

}  // namespace forerun
