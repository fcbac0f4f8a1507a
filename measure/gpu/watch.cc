#include "measure/gpu/watch.h"

#include "measure/gpu/processes.h"

namespace forerun {

GpuWatch::GpuWatch(const std::string& pci, const std::string& library) {
  if (pci.empty()) return;
  nvml_ = Nvml::open(library).nvml;
  if (nvml_ != nullptr) gpu_ = nvml_->find(pci);
}

void GpuWatch::start(double now_s) {
  if (!active()) return;
  seen_ = {};
  throttle_ = 0;
  started_s_ = read_s_ = now_s;
  energy_at_start_j_ = nvml_->read(gpu_).energy_j.value_or(0);
}

void GpuWatch::step(double now_s) {
  if (!active()) return;
  ++seen_.steps;
  if (now_s - read_s_ < kPeriod) return;
  read_s_ = now_s;
  note(nvml_->read(gpu_));
}

GpuConditions GpuWatch::stop(double now_s) {
  if (!active()) return {};
  const GpuReading last = nvml_->read(gpu_);
  note(last);
  seen_.seconds = now_s - started_s_;
  if (last.energy_j) seen_.energy_j = *last.energy_j - energy_at_start_j_;
  seen_.throttled = throttle_reasons(throttle_);
  seen_.other_processes = other_processes(nvml_->processes(gpu_), is_rank_of_ours);
  return seen_;
}

void GpuWatch::note(const GpuReading& now) {
  GpuConditions moment;
  moment.sm_clock_low_hz = moment.sm_clock_high_hz = now.sm_clock_hz.value_or(0);
  moment.temperature_high_c = now.temperature_c.value_or(0);
  seen_.add(moment);
  throttle_ |= now.throttle;
}

}  // namespace forerun
