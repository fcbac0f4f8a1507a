// What the command line of `measure` asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "measure/buckets.h"
#include "measure/recording.h"
#include "model/collective_kind.h"

namespace forerun {

/// Common to measuring and training; lists are empty where nothing was said.
struct MeasureOptions {
  std::vector<std::string> models;
  std::vector<int> batches;        ///< global
  std::vector<int> local_batches;  ///< per rank
  std::vector<int> world_sizes;
  std::vector<std::string> strategies = {"ddp"};
  double budget_s = 300;
  std::string device;  ///< `cpu`, `cuda`; empty: see resolve_device()
  std::string precision = "float32";
  std::string optimizer = "sgd";
  float learning_rate = 0;  ///< 0: the optimizer's usual one
  int accumulation = 1;     ///< micro-steps per step
  BucketLimits buckets;
  std::vector<Collective> collectives;  ///< to sweep; empty: what the strategies send
  double sweep_to_bytes = 0;            ///< whatever that takes; 0: what a tenth has room for
  std::string input;                    ///< `CxHxW`; empty: the workload's
  int threads = 1;                      ///< per rank
  std::string store;
  double timeout_s = 60;
  double memory_per_rank_bytes = 0;  ///< 0: an equal share
  bool json = false;
  bool oversubscribe = false;
  bool share_gpu = false;  ///< ranks may share a GPU
  RehearsalOptions rehearsal;
};

struct TrainOptions {
  std::optional<int64_t> epochs, steps;  ///< one of them, or one epoch
  std::string data;                      ///< folder; empty: synthetic
  uint64_t seed = 0;
  bool resume = false;
};

enum class Command { kMeasure, kTrain, kModels, kDevices };

struct CommandLine {
  Command command = Command::kMeasure;
  MeasureOptions measure;
  TrainOptions train;
};

/// nullopt: help was printed. Throws UsageError.
std::optional<CommandLine> parse_command_line(int argc, const char* const* argv);

inline constexpr int kDefaultBatch = 128;

/// What bare `measure` trains: small enough for minutes on a CPU.
struct DefaultWorkload {
  const char *model, *input;
  int batch;  ///< global
};
const std::vector<DefaultWorkload>& default_workloads();

}  // namespace forerun
