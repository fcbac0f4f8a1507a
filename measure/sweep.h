// The network alone: times of collectives against their size, on every group of a launch.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "measure/job.h"
#include "model/io/profile.h"

namespace forerun {

inline constexpr double kSmallestSweep = 1024;  // bytes

struct SweepOptions {
  double smallest_bytes = kSmallestSweep, largest_bytes = 512.0 * 1024 * 1024;
  double factor = 4;            ///< between neighbouring sizes
  double deadline_s = 0;        ///< on clock_now()
  double first_deadline_s = 0;  ///< of points without samples, where it is later
  size_t most_samples = 60;     ///< per size, group and collective
  std::vector<Collective> collectives = {Collective::kAllreduce};
};

/// smallest, smallest * factor, ... and largest itself.
std::vector<double> sweep_sizes(const SweepOptions& options);

/// Whole floats, in equal blocks where the collective is of blocks.
double sweep_bytes(Collective collective, double size_bytes, int world_size);

/// All-reduce, and what else these strategies send between processes.
std::vector<Collective> collectives_of(const std::vector<std::string>& strategies);

/// Ranks to sweep between. `group` is nullptr where this rank is not a member; rank 0 is one of
/// all.
struct SweepGroup {
  Placement placement;
  Communicator* group = nullptr;
};

/// The groups of a launch: its world sizes and, where nodes hold several ranks, the ranks of the
/// first node (1 x k) and one rank of each of 2, 4, ... all nodes (k x 1).
class SweepGroups {
 public:
  /// Collective over the job.
  SweepGroups(Job& job, const Groups& groups, const std::vector<int>& world_sizes);
  const std::vector<SweepGroup>& all() const { return all_; }

 private:
  void add(const Placement& placement, Communicator* group);

  std::vector<std::unique_ptr<Communicator>> owned_;
  std::vector<SweepGroup> all_;
};

/// A point that a sweep had no time for.
struct Unswept {
  SweepPoint point;  ///< without samples
  double needed_s = 0;
};

/// `134 MB (2+2), 537 MB`: their sizes, which ascend, with placements where a size has fewer than
/// `per_size`.
std::string unswept_sizes(const std::vector<Unswept>& unswept, size_t per_size);

/// Adds samples to rank 0's `points`, smallest sizes first, all taking turns, until every point is
/// precise, has most_samples, or its deadline comes. A sample is the minimum over ranks: a rank
/// that came early only waited. Of a broadcast or reduce it is the maximum: there ranks may leave
/// before the last one has its data. See Communicator::timed_runs() for what is timed. `saved` is
/// called on rank 0 after each round. Returns there what has no samples. Collective over the job.
std::vector<Unswept> sweep(Job& job, const SweepGroups& groups, const SweepOptions& options,
                           std::vector<SweepPoint>& points, const std::function<void()>& saved);

}  // namespace forerun
