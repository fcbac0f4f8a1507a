// Resident memory of this process, and its peak since a moment.
#pragma once

#include <optional>

namespace forerun {

/// Resident bytes now; 0 where /proc does not say.
double resident_bytes();

/// The highest resident size since construction: resets the kernel's high-water mark, so one at a
/// time. Freed memory that the allocator still holds is given back first.
class PeakMemory {
 public:
  PeakMemory();
  /// Growth above the resident size at construction; nullopt where the kernel does not allow a
  /// reset (then VmHWM is of the whole process).
  std::optional<double> growth_bytes() const;

 private:
  double start_bytes_ = 0;
  bool reset_ = false;
};

/// From now on this process cannot have more private memory than this: a batch that does not fit
/// fails to allocate, instead of waking the kernel's out-of-memory killer.
void limit_memory(double bytes);

}  // namespace forerun
