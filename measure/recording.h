// The compute of training steps that a profile holds, to be waited for in place of computing.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/io/profile.h"

namespace forerun {

/// One step on one rank: medians over what was measured, scaled so that they add up to the median
/// step.
struct Recording {
  double load_s = 0, forward_s = 0, backward_s = 0, optimizer_s = 0;
  std::vector<BucketReady> buckets;  ///< in the order in which they were ready

  /// When each gradient is there, from the start of backward. `sizes_bytes` are the gradients in
  /// the order in which they come. Within a bucket they come evenly by their bytes; without buckets
  /// the whole backward pass counts as one.
  std::vector<double> ready_times(const std::vector<double>& sizes_bytes) const;
  Recording scaled(double factor) const;
};

/// What to rehearse with. Forward, backward and loading are scaled, the optimizer is not: it runs
/// for real unless `optimizer` is set.
struct RehearsalOptions {
  std::string profile;     ///< file with the recorded steps; empty: compute for real
  double scale = 1;        ///< recorded times count as this many times as long
  bool optimizer = false;  ///< wait for the optimizer's recorded time too, scaled

  bool active() const { return !profile.empty(); }
  /// `recorded compute`, with what is not the default; empty if not active.
  std::string label() const;
};

/// The recorded steps of one model by local batch.
using Recordings = std::map<int, Recording>;

/// Those of `profile`, which was read from `path`, for a model with this input: steps on one rank
/// without accumulation. Throws Refusal naming the command that would record `local_batch`, if it
/// is not there; UsageError if the profile itself was rehearsed.
Recordings read_recordings(const std::filesystem::path& path, const Profile& profile,
                           const std::string& model, const std::string& input,
                           const std::vector<int>& local_batches, const RehearsalOptions& options);

}  // namespace forerun
