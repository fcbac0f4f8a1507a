// One training step of a zoo network, alone on its threads: our half of pytorch_step.py.
//   pytorch_step MODEL INPUT CLASSES BATCH THREADS STEPS
// prints the time of each step in seconds, after two that do not count.
#include <torch/torch.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>

#include "measure/data/dataset.h"
#include "measure/trainer.h"
#include "measure/zoo/zoo.h"

namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void run(const forerun::Workload& workload, int batch_size, int steps) {
  const auto network = forerun::build_network(workload, 0);
  torch::optim::SGD optimizer(network->parameters(), torch::optim::SGDOptions(0.01).momentum(0.9));
  const auto data = forerun::make_synthetic({.shape = workload.input,
                                             .classes = workload.classes,
                                             .vocabulary = workload.vocabulary,
                                             .per_token = workload.per_token,
                                             .size = batch_size});
  std::vector<int64_t> all(static_cast<size_t>(batch_size));
  std::iota(all.begin(), all.end(), 0);
  const forerun::Batch batch = data->get(all);
  for (int step = -2; step < steps; ++step) {
    const double time = seconds_of([&] {
      optimizer.zero_grad();
      forerun::cross_entropy(network->forward(batch.inputs), batch.targets).backward();
      optimizer.step();
    });
    if (step >= 0) std::printf("%.6f\n", time);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: pytorch_step MODEL INPUT CLASSES BATCH THREADS STEPS\n");
    return 2;
  }
  try {
    forerun::set_up_compute(std::atoi(argv[5]));  // as `measure` trains
    run(forerun::find_workload(argv[1], argv[2], std::atoi(argv[3])), std::atoi(argv[4]),
        std::atoi(argv[6]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pytorch_step: %s\n", error.what());
    return 1;
  }
}
