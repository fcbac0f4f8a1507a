// Configurations searched per second, with formulas for step times and with a real calibration, and
// the whole program from a shell's point of view.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <stdexcept>

#include "calib/calibrate.h"
#include "model/io/observations.h"
#include "predict/recommend.h"
#include "predict/search.h"
#include "tests/predict/hand_made.h"

namespace forerun {
namespace {

const Calibration& pollux() {
  static const Calibration calibration = calibrate_observations(
      load_observations(FORERUN_SOURCE_DIR "/examples/data/pollux-t4/observations.csv"),
      "pollux-t4");
  return calibration;
}

void count(benchmark::State& state, size_t configurations) {
  state.counters["configurations/s"] =
      benchmark::Counter(static_cast<double>(configurations), benchmark::Counter::kIsRate);
}

/// Every (GPU count up to 64, measured local batch up to `range`): a full grid.
void BM_FullGrid(benchmark::State& state) {
  Subject subject = hand_made_subject();
  subject.memory_per_rank_bytes = 1e12;
  subject.workload.batches_measured.resize(state.range(0));
  std::iota(subject.workload.batches_measured.begin(), subject.workload.batches_measured.end(), 1);
  Question question = hand_made_question(64);
  question.vary_batch = true;
  question.max_gpus = 64;
  size_t configurations = 0;
  for (auto _ : state) {
    const SearchResult found = search(question, subject);
    benchmark::DoNotOptimize(recommend(found.candidates, question, subject));
    configurations += found.candidates.size();
  }
  count(state, configurations);
}
BENCHMARK(BM_FullGrid)->Arg(16)->Arg(256)->Unit(benchmark::kMillisecond);

/// One question as users ask it: a batch, powers of two.
void BM_OneQuestion(benchmark::State& state) {
  const Subject subject = hand_made_subject();
  const Question question = hand_made_question(128);
  for (auto _ : state) benchmark::DoNotOptimize(make_forecast(question, subject));
}
BENCHMARK(BM_OneQuestion)->Unit(benchmark::kMicrosecond);

/// The same grid with the predictor's intervals in place of formulas.
void BM_FullGridOfACalibration(benchmark::State& state) {
  const Predictor predictor(pollux());
  Question question;
  question.model = "imagenet";
  const Subject subject = subject_of(predictor, question);
  question.batch = 64;
  question.vary_batch = true;
  question.max_gpus = 64;
  size_t configurations = 0;
  for (auto _ : state) configurations += search(question, subject).candidates.size();
  count(state, configurations);
}
BENCHMARK(BM_FullGridOfACalibration)->Unit(benchmark::kMillisecond);

/// `predict --model bert --batch 96`: process, calibration file with six workloads, answer.
void BM_ColdStart(benchmark::State& state) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("predict_bench." + std::to_string(getpid()));
  save_calibration(file, pollux());
  const std::string command = FORERUN_BIN_DIR "/predict --model bert --batch 96 --calibration " +
                              file.string() + " > /dev/null";
  for (auto _ : state) {
    if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
  }
  std::filesystem::remove(file);
}
BENCHMARK(BM_ColdStart)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace forerun
