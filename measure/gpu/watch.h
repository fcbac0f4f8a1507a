// How a GPU fares while steps run on it.
#pragma once

#include <memory>
#include <string>

#include "measure/gpu/nvml.h"
#include "model/io/gpu.h"

namespace forerun {

/// Asks the driver between steps, at most every kPeriod: what it costs is outside the times of the
/// steps, and no thread takes a core for it. Times are seconds on any clock.
class GpuWatch {
 public:
  static constexpr double kPeriod = 0.1;

  /// Of the GPU at this PCI address (`0000:1b:00.0`); watches nothing where the driver does not
  /// know it.
  explicit GpuWatch(const std::string& pci, const std::string& library = Nvml::kLibrary);

  bool active() const { return gpu_ >= 0; }
  void start(double now_s);
  /// A step has ended.
  void step(double now_s);
  /// Since start(). The GPU has just been busy: its clock is still that of work. Energy is counted
  /// by the driver, in steps of some 0.1 s: of many blocks, not of one.
  GpuConditions stop(double now_s);

 private:
  void note(const GpuReading& now);

  std::unique_ptr<Nvml> nvml_;
  int gpu_ = -1;
  GpuConditions seen_;
  uint64_t throttle_ = 0;
  double started_s_ = 0, read_s_ = 0, energy_at_start_j_ = 0;
};

}  // namespace forerun
