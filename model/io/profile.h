// profile.json: what `measure` saw on one machine. Raw samples, so that a median can be judged
// later.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/io/machine.h"
#include "model/io/measured.h"

namespace forerun {

inline constexpr int kProfileVersion = 1;

/// Transfer times of one collective at one size: per repetition, the minimum over ranks (a
/// collective spins until its last peer arrives).
struct SweepPoint {
  std::string collective = "allreduce";
  std::string transport;  ///< `mpi`, `nccl`
  Placement placement;
  double size_bytes = 0;
  std::vector<double> samples_s;
};

/// A collective this many times larger than the largest that was swept is not known from the sweep:
/// small ones flatter a link.
inline constexpr double kFarBeyondSweep = 4;

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

}  // namespace forerun
