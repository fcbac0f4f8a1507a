// The sweep's own loop beside a plain one in C over the same MPI, in one run:
//   cmake --build build --target allreduce_bench
//   mpirun -np 2 build/bin/allreduce_bench
// The two take turns, each first in every other round; a row is the median of 300 repetitions of
// each (fewer of long ones), the minimum over ranks.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "measure/mpi/mpi_communicator.h"
#include "model/statistics.h"
#include "tests/bench/plain_allreduce.h"

namespace forerun {
namespace {

constexpr int kRounds = 30;
constexpr double kRoundTime = 0.1;  // seconds

std::vector<double> our_times(Communicator& world, std::span<float> buffer, int repetitions) {
  std::vector<double> times = world.timed_runs(Collective::kAllreduce, buffer, repetitions);
  for (double& time : times) {
    for (const std::string& other : world.all_gather(std::to_string(1e9 * time))) {
      time = std::min(time, 1e-9 * std::stod(other));
    }
  }
  return times;
}

std::vector<double> plain_times(std::span<float> buffer, int repetitions) {
  std::vector<double> times(repetitions);
  plain_allreduce_times(buffer.data(), static_cast<int>(buffer.size()), repetitions, times.data());
  return times;
}

void compare(Communicator& world, size_t bytes) {
  std::vector<float> buffer(bytes / sizeof(float));
  std::vector<double> ours = our_times(world, buffer, 3), plain = plain_times(buffer, 3);
  const double once = std::stod(world.broadcast_text(std::to_string(ours.back())));
  const int repetitions = std::clamp(static_cast<int>(kRoundTime / std::max(once, 1e-6)), 2, 10);
  ours.clear();
  plain.clear();
  for (int round = 0; round < kRounds; ++round) {
    std::ranges::fill(buffer, 1e-9f);
    for (int turn = 0; turn < 2; ++turn) {
      const bool ours_now = (turn + round) % 2 == 0;
      const std::vector<double> times =
          ours_now ? our_times(world, buffer, repetitions) : plain_times(buffer, repetitions);
      std::vector<double>& to = ours_now ? ours : plain;
      to.insert(to.end(), times.begin(), times.end());
    }
  }
  if (world.rank() > 0) return;
  const double a = median(ours), b = median(plain);
  std::printf("%10zu %11.2f %11.2f %7.3f\n", bytes, 1e6 * a, 1e6 * b, a / b);
  std::fflush(stdout);
}

}  // namespace
}  // namespace forerun

int main() {
  forerun::MpiRuntime mpi;
  if (mpi.world().rank() == 0) {
    std::printf("%10s %11s %11s %7s\n", "bytes", "ours us", "plain C us", "ratio");
  }
  for (size_t bytes = 1024; bytes <= size_t{64} << 20; bytes *= 4) {
    forerun::compare(mpi.world(), bytes);
  }
}
