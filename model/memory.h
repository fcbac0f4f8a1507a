// Memory of one rank's device during training.
#pragma once

#include <optional>

#include "model/units.h"

namespace forerun {

/// peak(b) = fixed + per_sample * b: model states, buckets and library at b -> 0, activations per
/// sample. Activations are linear in the local batch at a fixed input size; workspaces make small
/// steps in it.
struct MemoryModel {
  Bytes<> fixed;
  BytesPerSample<> per_sample;
  double largest_probed_batch = 0;  ///< up to here measured, beyond extrapolated

  Bytes<> peak(Samples<> local_batch) const { return fixed + per_sample * local_batch; }
};

/// Bytes of model states in float32: weights, gradients and optimizer state (0, 1 or 2 more copies
/// for SGD, momentum, Adam). Source: Rajbhandari et al., ZeRO (2020), section 3.
inline Bytes<> model_state_bytes(double parameters, int optimizer_copies) {
  return Bytes<>(4.0 * parameters * (2 + optimizer_copies));
}

/// The largest local batch whose peak stays within `capacity`; 0 if not even one sample fits.
inline long largest_batch(const MemoryModel& memory, Bytes<> capacity) {
  if (memory.per_sample.value() <= 0) return memory.fixed <= capacity ? 1L << 30 : 0;
  const double samples = (capacity - memory.fixed) / memory.per_sample / Samples<>(1);
  return samples < 1 ? 0 : static_cast<long>(samples);
}

}  // namespace forerun
