// How fast a step is played through: DenseNet-121's buckets of 25 MiB and of 1 MiB.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "model/timeline.h"

namespace forerun {
namespace {

/// 7,978,856 float32 gradients (torchvision), ready evenly over a backward pass of 100 ms.
TimelineStep<> densenet121(double bucket_bytes) {
  constexpr double kGradients = 4 * 7978856.0;
  constexpr double kBackward = 0.1;
  constexpr double kBytesPerSecond = 1e9;
  TimelineStep<> step;
  step.forward = Seconds<>(kBackward / 2);
  step.backward = Seconds<>(kBackward);
  step.collective_slowdown = 1.3;
  step.compute_slowdown = 1.05;
  double sent = 0;
  while (sent < kGradients) {
    const double size = std::min(sent == 0 ? 1048576.0 : bucket_bytes, kGradients - sent);
    sent += size;
    step.buckets.push_back(
        {Seconds<>(kBackward * sent / kGradients), {{0, Seconds<>(2 * size / kBytesPerSecond)}}});
  }
  return step;
}

void PlayStep(benchmark::State& state) {
  const TimelineStep<> step = densenet121(static_cast<double>(state.range(0)) * 1048576.0);
  Timeline<> out;
  for (auto _ : state) {
    play_step(step, out);
    benchmark::DoNotOptimize(out.step_time);
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["buckets"] = static_cast<double>(step.buckets.size());
}
BENCHMARK(PlayStep)->Arg(25)->Arg(1);

}  // namespace
}  // namespace forerun
