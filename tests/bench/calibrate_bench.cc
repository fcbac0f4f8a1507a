// How long `calibrate` takes on 7,103 rows of six workloads: the size of the T4 traces before their
// placements were averaged. The shipped table has 3,326 rows; the others are made here from them,
// as the same configuration on another placement with a time that differs by a few percent.
#include <benchmark/benchmark.h>

#include <cmath>
#include <random>

#include "calib/calibrate.h"
#include "model/io/observations.h"

namespace forerun {
namespace {

constexpr size_t kRows = 7103;

std::vector<Observation> rows() {
  const std::vector<Observation> shipped =
      load_observations(FORERUN_SOURCE_DIR "/examples/data/pollux-t4/observations.csv");
  std::vector<Observation> all = shipped;
  std::mt19937 random(1);
  std::normal_distribution<> spread(0, 0.03);
  for (size_t i = 0; all.size() < kRows; ++i) {
    Observation repeated = shipped[i % shipped.size()];
    repeated.step_time_s *= std::exp(spread(random));
    all.push_back(repeated);
  }
  return all;
}

/// Argument 1: every row is fitted. Argument 0: those with role `fit`, the others compared.
void BM_Calibrate(benchmark::State& state) {
  std::vector<Observation> observations = rows();
  if (state.range(0) == 1) {
    for (Observation& o : observations) o.role = "fit";
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(calibrate_observations(observations, "pollux-t4"));
  }
  state.counters["rows"] = static_cast<double>(observations.size());
}
BENCHMARK(BM_Calibrate)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace forerun
