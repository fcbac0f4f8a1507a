#include "calib/memory_fit.h"

#include <algorithm>
#include <map>

namespace forerun {
namespace {

/// Through the largest peak seen at each local batch, by least squares with both terms >= 0; none
/// for fewer than two batches.
std::optional<MemoryModel> memory_line(const std::map<double, double>& peaks) {
  if (peaks.size() < 2) return std::nullopt;
  double n = 0, sb = 0, sbb = 0, sp = 0, sbp = 0;
  for (const auto& [b, p] : peaks) n += 1, sb += b, sbb += b * b, sp += p, sbp += b * p;
  const double slope = std::max(0.0, (n * sbp - sb * sp) / (n * sbb - sb * sb));
  const double fixed = std::max(0.0, (sp - slope * sb) / n);
  return MemoryModel{Bytes<>(fixed), BytesPerSample<>(slope), peaks.rbegin()->first};
}

}  // namespace

std::optional<MemoryModel> fit_memory(const std::vector<const Observation*>& rows) {
  std::map<double, double> peaks, allocated;
  double library = 0;
  for (const Observation* row : rows) {
    if (!row->peak_memory_bytes) continue;
    const auto raise = [&](std::map<double, double>& to, double bytes) {
      to[row->at.local_batch] = std::max(to[row->at.local_batch], bytes);
    };
    raise(peaks, *row->peak_memory_bytes);
    if (row->allocated_bytes) raise(allocated, *row->allocated_bytes);
    library = std::max(library, row->library_bytes.value_or(0));
  }
  auto model = memory_line(allocated.size() == peaks.size() ? allocated : peaks);
  if (!model || allocated.size() < peaks.size()) return model;
  const double held =
      std::max(1.0, (peaks.rbegin()->second - library) / allocated.rbegin()->second);
  model->fixed = model->fixed * held + Bytes<>(library);
  model->per_sample = model->per_sample * held;
  return model;
}

}  // namespace forerun
