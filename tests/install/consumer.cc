#include <cstdio>

#include "calib/predictor.h"
#include "model/io/command_line.h"
#include "model/step_time.h"

// Two ranks: 10 ms + 32 x 1 ms of compute, then 4 x (2 x 10 us + 25 MB / 10 GB/s).
int main() {
  using namespace forerun;
  StepModel<> model;
  model.network.intra = {10_us, SecondsPerByte<>(1e-10)};
  model.compute = {10_ms, SecondsPerSample<>(1e-3), {}};
  model.grad_bytes = 100_MB;
  model.buckets = 4;
  model.overlap = 1;
  const StepTime<> step = step_time(model, {.placement = Placement({2}), .local_batch = 32});
  std::printf("%.2f ms\n", step.total().value() * 1e3);
  const Predictor nothing_known{Calibration()};
  return nothing_known.calibration().workloads.empty() ? 0 : 1;
}
