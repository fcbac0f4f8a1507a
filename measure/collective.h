// What training needs of a network, whichever library moves the bytes: MPI on CPUs here, NCCL on
// GPUs behind the same interface. Nothing outside the implementations knows which it is.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/collective_kind.h"

namespace forerun {

/// Of what a reduction leaves.
enum class Reduction { kSum, kMean };

/// A collective under way. Destroying it without wait() is allowed only after an error.
class PendingCollective {
 public:
  virtual ~PendingCollective() = default;
  /// Makes the work that this thread gives from now on wait until the buffer holds the result: on
  /// CPUs it blocks, without spinning; on a GPU the stream waits. Throws Error if the collective
  /// failed.
  virtual void wait() = 0;
  /// When it ran, on clock_now(): valid after wait(), and on a GPU after Device::settle().
  virtual double started_s() const = 0;
  virtual double ended_s() const = 0;
};

/// What was asked of a communicator.
struct Traffic {
  long calls = 0;
  double bytes = 0;  ///< whole buffers, as model/collective_kind.h counts them
};

/// Memory of the device that a library took for its own use, for good, as far as it was seen.
struct LibraryMemory {
  double group_bytes = 0;   ///< for a group, and for what was split from it
  double others_bytes = 0;  ///< for other groups of this process
};

/// A group of ranks. Every member makes the same calls in the same order; the calls of one
/// communicator's members match each other. Not for use by two threads at once.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string transport() const = 0;  ///< `mpi`, `nccl`
  /// Whether start() takes Reduction::kMean.
  virtual bool averages() const { return false; }

  /// A collective in place, in the caller's thread: what a sweep times. Reductions are sums.
  ///   allreduce       everyone's `buffer` is the sum
  ///   reduce          the root's is; elsewhere it is undefined
  ///   reduce_scatter  `buffer` is size() blocks of equal length; the first then holds the sum of
  ///                   the block with this rank's number, the others are undefined
  ///   all_gather      the block with this rank's number goes out, all blocks come in
  ///   broadcast       everyone's is the root's
  void run(Collective collective, std::span<float> buffer, int root = 0) {
    count(collective, buffer);
    run_here(collective, buffer, root);
  }
  /// The same, `times` times, and the seconds of each on this rank. On CPUs each follows a barrier,
  /// and the clock of the host tells. On a GPU all are given to the device before the first begins,
  /// as the buckets of a step are, and its clock tells: no time of the host is in them. Both hold
  /// what this rank waited for those that came later: the least over ranks does not.
  std::vector<double> timed_runs(Collective collective, std::span<float> buffer, int times,
                                 int root = 0) {
    for (int i = 0; i < times; ++i) count(collective, buffer);
    return timed_here(collective, buffer, times, root);
  }
  /// The same, returning at once. Collectives of a process run one after the other in the order of
  /// these calls, whatever communicator they are of. `buffer` must live until wait() returned.
  std::unique_ptr<PendingCollective> start(Collective collective, std::span<float> buffer,
                                           int root = 0, Reduction reduction = Reduction::kSum) {
    count(collective, buffer);
    return start_behind(collective, buffer, root, reduction);
  }
  void allreduce(std::span<float> buffer) { run(Collective::kAllreduce, buffer); }
  std::unique_ptr<PendingCollective> allreduce_async(std::span<float> buffer) {
    return start(Collective::kAllreduce, buffer);
  }
  /// Of run() and start(), since construction.
  const Traffic& traffic(Collective collective) const {
    return traffic_[static_cast<size_t>(collective)];
  }

  /// Zeros, where collectives of this communicator take them: memory of the host, or of a device.
  virtual std::shared_ptr<float[]> memory(size_t floats);

  /// NCCL takes memory of the device with the first collective of a kind and size, for good: here
  /// it takes what those in `work` need, before a batch takes all that is left. False, on all ranks
  /// alike, where one has not enough; the group is then as new. Elsewhere `work` is not run.
  /// Collective.
  virtual bool prepare(const std::function<void()>& /*work*/) { return true; }
  virtual LibraryMemory library_memory() const { return {}; }

  /// The node that this rank is on: any number, equal where ranks share memory.
  int node() const { return node_; }
  void set_node(int node) { node_ = node; }

  /// Control traffic: not counted.
  virtual void broadcast(std::span<std::byte> buffer, int root) = 0;
  virtual void barrier() = 0;
  /// A barrier that sleeps while it waits, so that parked ranks leave the processor to others.
  virtual void park() = 0;
  /// Everyone's message at `root`, by rank; elsewhere empty. Control traffic, not for bulk data.
  virtual std::vector<std::string> gather(const std::string& message, int root) = 0;
  /// Members of equal `color` form a group, ordered by rank; color < 0 joins none (nullptr). Each
  /// keeps its node.
  virtual std::unique_ptr<Communicator> split(int color) = 0;
  /// Ends every process of the job, now. Callable from any thread.
  [[noreturn]] virtual void abort(int exit_code) = 0;

  /// `text` of rank 0, everywhere.
  std::string broadcast_text(std::string text);
  /// Everyone's message, by rank, everywhere.
  std::vector<std::string> all_gather(const std::string& message);
  /// Whether it is so on every rank, the same answer everywhere.
  bool on_all(bool here);

 private:
  virtual void run_here(Collective collective, std::span<float> buffer, int root) = 0;
  virtual std::vector<double> timed_here(Collective collective, std::span<float> buffer, int times,
                                         int root);
  virtual std::unique_ptr<PendingCollective> start_behind(Collective collective,
                                                          std::span<float> buffer, int root,
                                                          Reduction reduction) = 0;
  /// Throws Error where the buffer is not size() equal blocks and has to be.
  void count(Collective collective, std::span<const float> buffer);

  std::array<Traffic, kCollectives.size()> traffic_;
  int node_ = 0;
};

/// A group by its nodes.
struct NestedGroups {
  std::unique_ptr<Communicator> node;     ///< the members on this rank's node
  std::unique_ptr<Communicator> leaders;  ///< the first of each node; elsewhere nullptr
};
/// Collective over `group`.
NestedGroups nest(Communicator& group);

}  // namespace forerun
