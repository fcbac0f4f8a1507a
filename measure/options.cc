#include "measure/options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "measure/strategy/strategy.h"
#include "measure/sweep.h"
#include "model/error.h"
#include "model/io/command_line.h"

namespace forerun {
namespace {

/// CLI11's own says so with all 309 digits of the largest number.
CLI::Validator positive() {
  const auto complaint = [](const std::string& text) -> std::string {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end == text.c_str() || *end != '\0') return "\"" + text + "\" (expected a number)";
    return value > 0 ? "" : text + " (must be > 0)";
  };
  return CLI::Validator(complaint, "POSITIVE");
}

constexpr double kLargestSweep = 4.0 * 1024 * 1024 * 1024;  // bytes

/// What is behind options that are not plain numbers or names.
struct Texts {
  std::string models, batches, local_batches, world_sizes,
      strategies = "ddp", budget = "5m", timeout = "60s", memory, collectives, sweep_to,
      bucket = "25MiB", first_bucket = "1MiB", compute = "real";
  bool channels_last = false;
};

std::string collective_names() {
  std::string names;
  for (const Collective collective : kCollectives) {
    names.append(names.empty() ? "" : ", ").append(collective_name(collective));
  }
  return names;
}

std::vector<Collective> parse_collectives(const std::string& text) {
  std::vector<Collective> collectives;
  if (text == "all") return {kCollectives.begin(), kCollectives.end()};
  for (const std::string& name : parse_name_list(text)) {
    const auto collective = find_collective(name);
    if (!collective) {
      throw UsageError("\"" + name + "\" is unknown (there are " + collective_names() +
                       ", and all)");
    }
    collectives.push_back(*collective);
  }
  return collectives;
}

void add_common(CLI::App& app, MeasureOptions& options, Texts& texts,
                const std::string& default_ranks) {
  app.add_option("--model", texts.models, "zoo names or TorchScript files, comma separated");
  app.add_option("--batch", texts.batches, "global batches, such as 64,128 (default 128)");
  app.add_option("--local-batch", texts.local_batches, "batches per rank, in place of --batch");
  app.add_option("--world-sizes,--world-size", texts.world_sizes,
                 "numbers of ranks, such as 1,2,4-8 (default " + default_ranks + ")");
  app.add_option("--strategy", texts.strategies, strategy_names())->capture_default_str();
  app.add_option("--bucket", texts.bucket, "gradients that travel together, at least")
      ->capture_default_str();
  app.add_option("--first-bucket", texts.first_bucket, "of a step: small, so that it starts early")
      ->capture_default_str();
  app.add_option("--accumulation", options.accumulation,
                 "micro-steps per step; only the last one communicates")
      ->check(positive())
      ->capture_default_str();
  app.add_option("--optimizer", options.optimizer, "sgd (momentum 0.9), adam, adamw")
      ->capture_default_str();
  app.add_option(
         "--precision", options.precision,
         "float32, bfloat16 (autocast); on GPUs tf32 and float16 (autocast, scaled loss) too")
      ->capture_default_str();
  app.add_flag("--channels-last", texts.channels_last,
               "images with the channels of a pixel side by side in memory");
  app.add_option("--device", options.device,
                 "cpu, cuda (default: cuda where this build knows it; without a GPU it then says "
                 "so and ends)");
  app.add_option("--input", options.input, "CxHxW, or tokens (default: the model's own)");
  app.add_option("--threads", options.threads, "per rank")
      ->check(positive())
      ->capture_default_str();
  app.add_option("--learning-rate", options.learning_rate,
                 "(default: 0.01 for sgd, 0.001 for adam and adamw)")
      ->check(positive());
  app.add_option("--memory-per-rank", texts.memory,
                 "what one rank may use, such as 4GiB (default: an equal share)");
  app.add_option("--timeout", texts.timeout,
                 "the job ends after this long without progress, beyond what is expected of the "
                 "steps under way")
      ->capture_default_str();
  app.add_option("--store", options.store, "folder (default $FORERUN_HOME, else ./forerun)");
  app.add_option("--compute", texts.compute,
                 "real; recorded: wait for recorded steps in place of computing, all else is real, "
                 "results go to STORE/recorded")
      ->capture_default_str();
  app.add_option("--recorded", options.rehearsal.profile,
                 "profile with the recorded steps (default: the store's)");
  app.add_option(
         "--compute-scale", options.rehearsal.scale,
         "recorded times count as this many times as long: 0.1 for a device 10 times as fast")
      ->check(positive())
      ->capture_default_str();
  app.add_flag("--recorded-optimizer", options.rehearsal.optimizer,
               "wait for the optimizer's recorded time, too");
  app.add_flag("--oversubscribe", options.oversubscribe,
               "allow more ranks than cores: for trying out, such times predict nothing");
  app.add_flag("--share-gpu", options.share_gpu,
               "allow more ranks than GPUs: to see that it works, such times predict nothing");
  app.add_flag("--json", options.json, "one JSON document on standard output");
}

double positive_duration(const std::string& option, const std::string& text,
                         const std::string& help) {
  try {
    const double seconds = parse_duration(text).value();
    if (seconds > 0) return seconds;
  } catch (const UsageError& error) {
    throw UsageError(option + " " + error.what());
  }
  throw UsageError(option + " " + text + " (must be longer than 0; " + help + ")");
}

template <class Parse>
auto parse_option(const std::string& option, const std::string& text, Parse parse) {
  try {
    return text.empty() ? decltype(parse(text)){} : parse(text);
  } catch (const UsageError& error) {
    throw UsageError(option + " " + error.what());
  }
}

size_t bucket_bytes(const std::string& option, const std::string& text,
                    const std::string& default_text) {
  const double bytes = parse_option(option, text, parse_size).value();
  if (bytes >= sizeof(float)) return static_cast<size_t>(bytes);
  throw UsageError(option + " \"" + text + "\" (must be at least 4 bytes, one gradient; " +
                   "the default is " + default_text + ")");
}

/// 0: not said.
double sweep_to_bytes(const std::string& text) {
  if (text.empty()) return 0;
  const double bytes = parse_option("--sweep-to", text, parse_size).value();
  if (bytes >= kSmallestSweep && bytes <= kLargestSweep) return bytes;
  throw UsageError("--sweep-to \"" + text + "\" (must be from 1KiB, where sweeps begin, to 4GiB)");
}

void read_texts(const Texts& texts, MeasureOptions& options) {
  options.models = parse_option("--model", texts.models, parse_name_list);
  options.batches = parse_option("--batch", texts.batches, parse_int_list);
  options.local_batches = parse_option("--local-batch", texts.local_batches, parse_int_list);
  options.world_sizes = parse_option("--world-sizes", texts.world_sizes, parse_int_list);
  options.strategies = parse_option("--strategy", texts.strategies, parse_name_list);
  options.budget_s = positive_duration("--budget", texts.budget, "30s is enough for a first look");
  options.timeout_s = positive_duration("--timeout", texts.timeout, "the default is 60s");
  options.memory_per_rank_bytes =
      parse_option("--memory-per-rank", texts.memory, parse_size).value();
  const Texts defaults;
  options.buckets = {
      .first_bytes = bucket_bytes("--first-bucket", texts.first_bucket, defaults.first_bucket),
      .cap_bytes = bucket_bytes("--bucket", texts.bucket, defaults.bucket)};
  options.collectives = parse_option("--collectives", texts.collectives, parse_collectives);
  options.sweep_to_bytes = sweep_to_bytes(texts.sweep_to);
  for (const std::string& strategy : options.strategies) find_strategy(strategy);
  Precision precision = find_precision(options.precision);
  precision.channels_last |= texts.channels_last;
  options.precision = precision.name();
  Optimizer::named(options.optimizer);
  if (!options.batches.empty() && !options.local_batches.empty()) {
    throw UsageError("--batch and --local-batch both say the batch; give one of them");
  }
}

/// Rehearsed steps never go where real ones are.
void read_rehearsal(const Texts& texts, MeasureOptions& options) {
  RehearsalOptions& rehearsal = options.rehearsal;
  if (texts.compute == "real") {
    if (rehearsal.active() || rehearsal.scale != 1 || rehearsal.optimizer) {
      throw UsageError(
          "--recorded, --compute-scale and --recorded-optimizer are for --compute recorded");
    }
    return;
  }
  if (texts.compute != "recorded") {
    throw UsageError("--compute \"" + texts.compute + "\" (there are real, recorded)");
  }
  for (const std::string& strategy : options.strategies) {
    if (find_strategy(strategy).processes == Processes::kOneForAllDevices) {
      throw UsageError("--compute recorded waits on one device per rank; strategy " + strategy +
                       " drives several");
    }
  }
  const Store store(options.store);
  if (!rehearsal.active()) rehearsal.profile = store.profile().string();
  options.store = (store.folder / "recorded").string();
}

void check_train(const CommandLine& line) {
  if (line.measure.models.size() != 1) {
    throw UsageError("measure train trains one model: name it with --model");
  }
  if (line.train.epochs && line.train.steps) {
    throw UsageError("--epochs and --steps both say how long; give one of them");
  }
  if (line.measure.rehearsal.active() && (!line.train.data.empty() || line.train.resume)) {
    throw UsageError("--compute recorded learns nothing: it takes no --data and no --resume");
  }
  if (line.measure.strategies.size() != 1) throw UsageError("measure train takes one --strategy");
}

}  // namespace

const std::vector<DefaultWorkload>& default_workloads() {
  static const std::vector<DefaultWorkload> workloads = {
      {"mnist-cnn", "", kDefaultBatch},
      {"densenet121", "3x32x32", kDefaultBatch},
      {"resnet18", "3x32x32", 32},
  };
  return workloads;
}

std::optional<CommandLine> parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  Texts texts;
  CLI::App app{
      "Measures real data-parallel training and the network of this machine into profile.json.\n"
      "Bare `measure` finds the cores, starts itself on all of them, and trains default "
      "workloads."};
  add_common(app, line.measure, texts, "1, 2, 4, ... up to all cores");
  app.add_option(
      "--collectives", texts.collectives,
      "to sweep alone: " + collective_names() + ", or all (default: what the strategies send)");
  app.add_option(
      "--sweep-to", texts.sweep_to,
      "sweep every size up to this one, such as 512MiB, whatever part of the budget that "
      "takes (default: up to 512MiB as far as a tenth of the budget goes, a minute at "
      "most)");
  app.add_option("--budget", texts.budget, "time for everything, such as 90s or 5m")
      ->capture_default_str();
  bool devices = false;
  app.add_flag("--devices", devices,
               "print cores, GPUs, what links them, and network adapters, and end: 0, and with "
               "--device cuda 1 where there is no GPU");

  CLI::App* train = app.add_subcommand(
      "train", "train for real, each combination of --batch and --world-sizes, into runs/*.json");
  add_common(*train, line.measure, texts, "all cores");
  int64_t epochs = 0, steps = 0;
  CLI::Option* epochs_option =
      train->add_option("--epochs", epochs, "passes over the data")->check(positive());
  CLI::Option* steps_option =
      train->add_option("--steps", steps, "steps, in place of epochs")->check(positive());
  train->add_option("--data", line.train.data,
                    "folder with MNIST's IDX or CIFAR-10's binary files (default: synthetic)");
  train->add_option("--seed", line.train.seed, "of weights and sample order")
      ->capture_default_str();
  train->add_flag("--resume", line.train.resume, "continue from the last finished epoch");

  CLI::App* models = app.add_subcommand("models", "the zoo");
  models->add_flag("--json", line.measure.json, "one JSON document on standard output");
  app.require_subcommand(0, 1);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw UsageError(std::string(error.what()) + " (measure --help tells more)");
  }
  if (models->parsed()) {
    line.command = Command::kModels;
    return line;
  }
  if (devices) {
    line.command = Command::kDevices;
    return line;
  }
  read_texts(texts, line.measure);
  read_rehearsal(texts, line.measure);
  if (!train->parsed()) return line;
  line.command = Command::kTrain;
  if (epochs_option->count() > 0) line.train.epochs = epochs;
  if (steps_option->count() > 0) line.train.steps = steps;
  check_train(line);
  return line;
}

}  // namespace forerun
