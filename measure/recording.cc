#include "measure/recording.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "measure/stop_rule.h"
#include "model/error.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr char kLabel[] = "recorded compute";

Recording recording_of(const MeasuredConfiguration& measured) {
  const RankSteps& rank = measured.ranks.front();
  Recording recording;
  recording.load_s = median_or_zero(rank.load_s);
  recording.forward_s = median_or_zero(rank.forward_s);
  recording.backward_s = median_or_zero(rank.backward_s);
  recording.optimizer_s = median_or_zero(rank.optimizer_s);
  recording.buckets = measured.buckets;
  // Medians of the parts do not quite add up to the median of the whole.
  const double computing = recording.load_s + recording.forward_s + recording.backward_s;
  const double step = median_or_zero(rank.step_time_s) - recording.optimizer_s -
                      median_or_zero(rank.exposed_comm_s);
  const double optimizer_s = recording.optimizer_s;
  recording = recording.scaled(computing > 0 && step > 0 ? step / computing : 1);
  recording.optimizer_s = optimizer_s;
  return recording;
}

/// Buckets say when gradients came: what ran in them is preferred.
bool better(const MeasuredConfiguration& a, const MeasuredConfiguration* b) {
  return b == nullptr || (b->buckets.empty() && !a.buckets.empty());
}

std::string batches_text(const std::vector<int>& batches) {
  std::string text;
  for (const int b : batches) text += (text.empty() ? "" : ",") + std::to_string(b);
  return text;
}

}  // namespace

std::vector<double> Recording::ready_times(const std::vector<double>& sizes_bytes) const {
  std::vector<BucketReady> steps = buckets;
  if (steps.empty()) steps.push_back({1, backward_s});
  double recorded_bytes = 0;
  for (const BucketReady& bucket : steps) recorded_bytes += bucket.size_bytes;
  const double bytes = std::accumulate(sizes_bytes.begin(), sizes_bytes.end(), 0.0);
  std::vector<double> times;
  size_t at = 0;
  double end = 0, bucket_start = 0, previous_ready = 0;
  for (const double size : sizes_bytes) {
    end += size * recorded_bytes / bytes;
    // The last byte of a bucket is in it, whatever rounding says.
    while (at + 1 < steps.size() && end > bucket_start + steps[at].size_bytes * (1 + 1e-9)) {
      bucket_start += steps[at].size_bytes;
      previous_ready = steps[at].ready_s;
      ++at;
    }
    const double share = std::min(1.0, (end - bucket_start) / steps[at].size_bytes);
    const double time = previous_ready + share * (steps[at].ready_s - previous_ready);
    times.push_back(std::max(time, times.empty() ? 0 : times.back()));
  }
  return times;
}

Recording Recording::scaled(double factor) const {
  Recording out = *this;
  for (double* time : {&out.load_s, &out.forward_s, &out.backward_s, &out.optimizer_s}) {
    *time *= factor;
  }
  for (BucketReady& bucket : out.buckets) bucket.ready_s *= factor;
  return out;
}

std::string RehearsalOptions::label() const {
  if (!active()) return "";
  std::string text = kLabel;
  if (scale != 1) {
    char factor[32];
    std::snprintf(factor, sizeof factor, " x %.4g", scale);
    text += factor;
  }
  return optimizer ? text + " and optimizer" : text;
}

Recordings read_recordings(const std::filesystem::path& path, const Profile& profile,
                           const std::string& model, const std::string& input,
                           const std::vector<int>& local_batches, const RehearsalOptions& options) {
  if (profile.machine.label.find(kLabel) != std::string::npos) {
    throw UsageError(path.string() + ": was rehearsed itself (" + profile.machine.label +
                     "); name the profile of the real steps with --recorded");
  }
  std::map<int, const MeasuredConfiguration*> found;
  const WorkloadProfile* workload = profile.find(model);
  if (workload != nullptr && workload->input == input) {
    for (const MeasuredConfiguration& measured : workload->configurations) {
      const MeasuredConfiguration*& known = found[measured.at.local_batch];
      if (measured.at.world_size() == 1 && measured.at.accumulation == 1 &&
          !measured.step_times().empty() && better(measured, known)) {
        known = &measured;
      }
    }
  }
  Recordings recordings;
  for (const auto& [batch, measured] : found) {
    if (measured == nullptr) continue;
    recordings[batch] = recording_of(*measured).scaled(options.scale);
  }
  std::vector<int> missing;
  for (const int batch : local_batches) {
    if (!recordings.contains(batch)) missing.push_back(batch);
  }
  if (missing.empty()) return recordings;
  throw Refusal(path.string() + ": holds no steps of " + model + " (" + input +
                ") on one rank with " + batches_text(missing) + " samples; measure --model " +
                model + " --input " + input + " --local-batch " + batches_text(missing) +
                " --world-sizes 1 --store " + path.parent_path().string() + " records them");
}

}  // namespace forerun
