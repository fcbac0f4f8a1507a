// What a question to `predict` is, and what its answer is: plain data that the search fills, the
// recommendation chooses from, and the table, JSON and CSV print.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "calib/predictor.h"
#include "predict/objective.h"

namespace forerun {

/// What the user asks.
struct Question {
  std::string model;
  long batch = 0;                    ///< global
  std::vector<int> gpus;             ///< empty: chosen by gpu_counts()
  std::optional<int> max_gpus;       ///< all of 1..max_gpus
  std::optional<int> gpus_per_node;  ///< default: the fullest node that was measured
  Objective objective;
  std::optional<double> samples;               ///< of the whole run: epochs x data set
  std::optional<double> price_per_gpu_hour;    ///< in whatever currency
  std::optional<double> memory_per_gpu_bytes;  ///< default: the calibration's
  bool vary_batch = false;
  int max_accumulation = 1 << 30;
  std::string strategy = "ddp";
  std::string precision;             ///< empty: the one that was measured
  std::string program = "train.py";  ///< what the launch line starts

  /// Strategy and precision asked for, float32 where none is; nothing else of it is said.
  Configuration asked() const {
    Configuration at;
    at.strategy = strategy;
    if (!precision.empty()) at.precision = precision;
    return at;
  }
};

/// Step times of one workload, in order. `Predictor::predict` in the program, formulas in tests.
using StepTimes = std::function<std::vector<Prediction>(const std::vector<Configuration>&)>;

/// The workload and machine that the question is about.
struct Subject {
  WorkloadCalibration workload;
  std::string device;  ///< `cpu`, a GPU's name, or empty
  std::string label;   ///< `emulated`, ...; empty for a real machine
  int max_ranks = 0;
  int threads_per_rank = 1;
  double memory_per_rank_bytes = 0;  ///< 0: unknown
  Reach reach;
  StepTimes predict;

  /// What one rank sits on: `rank` on CPUs, `GPU` elsewhere.
  std::string unit() const { return device == "cpu" ? "rank" : "GPU"; }
};

/// The question in the words of a calibration: the name of a workload (`resnet18/zero1`) taken
/// apart into model, strategy and precision, and the precision that was measured where none is
/// asked for. Throws Refusal, naming `measure` and near names, if it was never measured.
Question settled(Question question, const Calibration& calibration);

/// What a settled question is about.
Subject subject_of(const Predictor& predictor, const Question& question);

/// One way of running the training.
struct Candidate {
  Configuration at;  ///< local_batch 0 where the batch does not divide
  long global_batch = 0;
  bool feasible = false;
  std::string reason;  ///< why not feasible; empty where it is
  bool predicted = false;
  Prediction prediction;
  double throughput = 0;                          ///< samples/s
  double speedup = 0;                             ///< over the baseline at the same global batch
  double efficiency = 0;                          ///< speedup x baseline GPUs / GPUs
  int baseline_gpus = 1;                          ///< 1, or the smallest that could be predicted
  bool batch_extrapolated = false;                ///< the local batch lies outside those measured
  std::optional<double> time_s, gpu_hours, cost;  ///< of the run; where asked for
  std::optional<double> peak_memory_bytes;
  std::string launch;  ///< the command that starts it; empty where not feasible
};

/// A configuration that cannot be predicted from what was measured.
struct Refused {
  Configuration at;
  std::string reason;
};

/// What to measure to be surer.
struct NextMeasurement {
  std::string command;
  std::string settles;
};

struct Recommendation {
  size_t candidate = 0;  ///< index into Forecast::candidates
  bool meets_objective = true;
  std::string reason;        ///< in words
  std::string dominant;      ///< `61 % compute, 27 % exposed all-reduce, 9 % waiting`
  std::vector<size_t> ties;  ///< candidates that are as good within the interval
};

struct Forecast {
  Question question;
  Subject subject;
  std::vector<Candidate> candidates;  ///< by global batch, then GPUs
  std::vector<Refused> refused;
  std::optional<Recommendation> recommendation;
  std::optional<int> knee_gpus;  ///< see knee()
  std::vector<NextMeasurement> next_measurements;
  std::vector<std::string> notes;  ///< what a reader must know to trust the numbers rightly

  const Candidate* recommended() const {
    return recommendation ? &candidates[recommendation->candidate] : nullptr;
  }
};

/// Answers the question: search, recommendation, advice. Throws UsageError where no candidate's
/// batch divides; a forecast without recommendation is one where nothing fits or all is refused.
Forecast make_forecast(const Question& question, const Subject& subject);

/// The answer where nothing is known of the model: no candidates, the reason as a note, and the
/// command that would measure it.
Forecast refused_forecast(const Question& question, const std::string& reason);

/// The outcome for the caller of the program: throws Refusal or Error where there is nothing to
/// recommend.
void require_recommendation(const Forecast& forecast);

}  // namespace forerun
