// What measuring costs: steps as `measure` times them beside the same steps bare, in turns, in one
// process on one core.
//   measure_overhead [MODEL] [INPUT] [BATCH] [PAIRS]
// prints the medians, their ratio with its 95 % interval, what the instrument says of itself, and
// the ratio of two bare trainings: what this machine can tell apart.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "measure/clock.h"
#include "measure/disturbance.h"
#include "measure/mpi/mpi_communicator.h"
#include "measure/request.h"
#include "measure/stop_rule.h"
#include "measure/trainer.h"

namespace forerun {
namespace {

/// The same work as Trainer::step(), without a clock.
class BareTraining {
 public:
  BareTraining(const Workload& workload, Communicator& group)
      : network_(build_network(workload, 0)) {
    network_->train();
    strategy_ = find_strategy("ddp").make(trainable_parameters(*network_), StrategyOptions{});
    strategy_->attach(group);
  }
  void step(const Dataset& data, const std::vector<int64_t>& indices) {
    const Batch batch = data.get(indices);
    torch::Tensor loss =
        cross_entropy(strategy_->forward(*network_, batch.inputs, Precision{}), batch.targets);
    strategy_->start_backward({});
    loss.backward();
    loss.item<float>();
    strategy_->finish_backward();
    strategy_->update(++steps_);
  }

 private:
  std::shared_ptr<NeuralNetwork> network_;
  std::unique_ptr<Strategy> strategy_;
  int64_t steps_ = 0;
};

template <class Work>
double seconds_of(Work work) {
  const double start = clock_now();
  work();
  return clock_now() - start;
}

void print_ratio(const char* what, const std::vector<double>& over,
                 const std::vector<double>& base) {
  std::vector<double> ratios;
  for (size_t i = 0; i < base.size(); ++i) ratios.push_back(over[i] / base[i]);
  const MedianInterval ratio = median_interval(ratios);
  std::printf("%-28s %8.3f ms  %+.2f %% (95 %%: %+.2f to %+.2f)\n", what,
              1e3 * median_interval(over).median, 100 * (ratio.median - 1), 100 * (ratio.low - 1),
              100 * (ratio.high - 1));
}

void run(const Workload& workload, int batch, int pairs) {
  MpiRuntime mpi;
  const auto data = synthetic_data(workload);
  std::vector<int64_t> indices(static_cast<size_t>(batch));
  std::iota(indices.begin(), indices.end(), 0);
  Trainer measured(workload, TrainerOptions{});
  measured.attach(mpi.world());
  BareTraining bare(workload, mpi.world()), control(workload, mpi.world());
  TakenTime taken;
  std::vector<double> with, without, again, own;
  for (int pair = -kLeastWarmup; pair < pairs; ++pair) {
    StepSample sample;
    const double on = seconds_of([&] {
      taken.lap_s();
      sample = measured.step(*data, indices);
      sample.taken_s = taken.lap_s();
    });
    const double off = seconds_of([&] { bare.step(*data, indices); });
    const double off_again = seconds_of([&] { control.step(*data, indices); });
    if (pair < 0) continue;
    with.push_back(on);
    without.push_back(off);
    again.push_back(off_again);
    own.push_back(sample.overhead_s / sample.step_time_s);
  }
  std::printf("%s, batch %d, %d steps of each in turns\n", workload.name.c_str(), batch, pairs);
  std::printf("%-28s %8.3f ms\n", "bare", 1e3 * median_interval(without).median);
  print_ratio("measured", with, without);
  print_ratio("bare again (control)", again, without);
  std::printf("%-28s %11s  %+.2f %%\n", "what measure says of itself", "",
              100 * median_interval(own).median);
}

}  // namespace
}  // namespace forerun

int main(int argc, char** argv) {
  const auto argument = [&](int i, const char* fallback) { return argc > i ? argv[i] : fallback; };
  try {
    forerun::set_up_compute(1);
    forerun::run(forerun::find_workload(argument(1, "mnist-cnn"), argument(2, "")),
                 std::atoi(argument(3, "32")), std::max(6, std::atoi(argument(4, "200"))));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "measure_overhead: %s\n", error.what());
    return 1;
  }
}
