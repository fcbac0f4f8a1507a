// predict: which GPUs, which batch, how long, at what price, and how sure.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>

#include "calib/calibrate.h"
#include "calib/predictor.h"
#include "model/error.h"
#include "model/io/command_line.h"
#include "predict/current_calibration.h"
#include "predict/document.h"
#include "predict/points.h"
#include "predict/table.h"

namespace forerun {
namespace {

constexpr const char* kObjectives =
    "Objectives (differences within the 90 % interval are ties: the fewest GPUs win; on CPUs a\n"
    "GPU is a rank):\n"
    "  balanced             the fastest with an efficiency of at least 50 %\n"
    "  fastest              the shortest run\n"
    "  cheapest             the fewest GPU hours\n"
    "  efficient[:PERCENT]  most GPUs with at least that efficiency (70)\n"
    "  deadline:TIME        the cheapest that is done in time, such as deadline:2h\n"
    "  budget:MONEY         the fastest that costs no more\n";

/// Reads an option's value; complaints name the option.
template <class Parse>
auto read_option(const char* name, const std::string& text, Parse parse) {
  try {
    return parse(text);
  } catch (const UsageError& error) {
    throw UsageError(std::string(name) + " " + error.what());
  }
}

struct Arguments {
  Question question;
  std::string objective = "balanced", gpus, memory, store, calibration, points;
  long batch = 0;
  double epochs = 0, dataset_size = 0, samples = 0, price = 0;
  int max_gpus = 0, gpus_per_node = 0;
  bool json = false, csv = false;
};

/// A finite number > 0.
CLI::Validator positive() {
  return {[](std::string& text) -> std::string {
            char* end = nullptr;
            const double value = std::strtod(text.c_str(), &end);
            const bool good = !text.empty() && *end == '\0' && std::isfinite(value) && value > 0;
            return good ? "" : "\"" + text + "\" (must be a number > 0)";
          },
          ""};
}

/// A whole number in 1..most.
CLI::Validator whole(long most) {
  return {[most](std::string& text) -> std::string {
            char* end = nullptr;
            errno = 0;
            const long value = std::strtol(text.c_str(), &end, 10);
            const bool good =
                !text.empty() && *end == '\0' && errno == 0 && value >= 1 && value <= most;
            return good ? ""
                        : "\"" + text + "\" (must be a whole number from 1 to " +
                              std::to_string(most) + ")";
          },
          ""};
}

void add_options(CLI::App& app, Arguments& a) {
  constexpr long kMostBatch = 1'000'000'000, kMostGpus = 100'000;
  const auto text = [&](const char* name, auto& value, const char* help, const char* type) {
    return app.add_option(name, value, help)->type_name(type);
  };
  text("--model", a.question.model, "the workload, as it was measured", "NAME");
  text("--batch", a.batch, "global batch: samples per step over all GPUs", "B")
      ->check(whole(kMostBatch));
  text("--gpus", a.gpus,
       "GPU counts to look at (default: powers of two and divisors of the batch, up to what was "
       "measured or the machine has)",
       "LIST");
  text("--max-gpus", a.max_gpus, "look at all counts up to this one", "N")->check(whole(kMostGpus));
  text("--gpus-per-node", a.gpus_per_node, "default: the fullest node that was measured", "K")
      ->check(whole(kMostGpus));
  text("--objective", a.objective, "what is best: see below", "O")->capture_default_str();
  text("--epochs", a.epochs, "length of the run, with --dataset-size", "E")->check(positive());
  text("--dataset-size", a.dataset_size, "samples in an epoch", "D")->check(positive());
  text("--samples", a.samples, "length of the run, in samples", "S")->check(positive());
  text("--price", a.price, "of one GPU for one hour, in any currency", "P")->check(positive());
  text("--memory", a.memory, "of one GPU (default: as measured)", "SIZE");
  app.add_flag("--vary-batch", a.question.vary_batch,
               "let the batch vary over the local batches measured; ranked by time to accuracy, or "
               "by throughput without a noise scale; --epochs are those planned for --batch");
  text("--max-accumulation", a.question.max_accumulation,
       "most micro-steps a step may have; 1: none (default: any)", "S")
      ->check(whole(1 << 30));
  text("--strategy", a.question.strategy, "how gradients are exchanged", "S")
      ->capture_default_str();
  text("--precision", a.question.precision, "default: the one that was measured", "P");
  text("--program", a.question.program, "what the launch line starts", "CMD")
      ->capture_default_str();
  text("--points", a.points, "predict the rows of this CSV (model,nodes,gpus,local_batch)",
       "FILE.csv")
      ->excludes("--model", "--batch");
  text("--store", a.store, "default: $FORERUN_HOME, else ./forerun", "DIR");
  text("--calibration", a.calibration, "default: calibration.json of the store", "FILE");
  auto* json = app.add_flag("--json", a.json, "print one JSON document");
  app.add_flag("--csv", a.csv, "print one CSV table")->excludes(json);
}

/// Throws UsageError where the options do not add up.
Question question_of(const Arguments& a) {
  Question q = a.question;
  if (q.model.empty()) throw UsageError("--model is missing (predict --model M --batch B)");
  if (a.batch == 0) throw UsageError("--batch is missing (predict --model M --batch B)");
  q.batch = a.batch;
  if (!a.gpus.empty()) {
    q.gpus = read_option("--gpus", a.gpus, parse_int_list);
    if (q.gpus.back() > 100'000) throw UsageError("--gpus " + a.gpus + " (at most 100000)");
  }
  if (!a.gpus.empty() && a.max_gpus > 0)
    throw UsageError("--gpus and --max-gpus exclude each other");
  if (a.max_gpus > 0) q.max_gpus = a.max_gpus;
  if (a.gpus_per_node > 0) q.gpus_per_node = a.gpus_per_node;
  q.objective = parse_objective(a.objective);
  if ((a.epochs > 0) != (a.dataset_size > 0)) {
    throw UsageError("--epochs and --dataset-size belong together");
  }
  if (a.samples > 0 && a.epochs > 0) {
    throw UsageError("--samples and --epochs exclude each other");
  }
  if (a.samples > 0) q.samples = a.samples;
  if (a.epochs > 0) q.samples = a.epochs * a.dataset_size;
  if (a.price > 0) q.price_per_gpu_hour = a.price;
  if (!a.memory.empty()) {
    q.memory_per_gpu_bytes = read_option("--memory", a.memory, parse_size).value();
    if (*q.memory_per_gpu_bytes <= 0) throw UsageError("--memory " + a.memory + " (must be > 0)");
  }
  return q;
}

bool wants_colour() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0') &&
         term != nullptr && std::string(term) != "dumb";
}

Predictor load_predictor(const Arguments& a) {
  const Store store(a.store);
  const auto calibrate = [&](const Profile& profile) {
    return calibrate_profile(profile, store.profile().string());
  };
  const auto warn = [](const std::string& text) { std::cerr << "predict: " << text << "\n"; };
  return Predictor(current_calibration(store, a.calibration, calibrate, warn));
}

Prediction refused(const std::string& why) {
  Prediction p;
  p.refused = why;
  return p;
}

/// Why nothing is predicted for a cluster that points name and the calibration does not know.
std::string unknown_cluster(const Calibration& calibration, const std::string& cluster) {
  std::string known;
  for (const NetworkCalibration& network : calibration.networks) {
    if (!network.cluster.empty()) known += (known.empty() ? "" : ", ") + network.cluster;
  }
  return "cluster " + cluster + " was never measured (this calibration is of " + known +
         "); calibrate on rows of it";
}

void answer_points(const Arguments& a) {
  if (a.json) throw UsageError("--points prints --csv, not --json");
  const CsvTable table = read_csv(a.points);
  const Predictor predictor = load_predictor(a);
  const auto step_times = [&](const std::string& cluster, const std::string& model,
                              const std::vector<Configuration>& at) {
    const Calibration& calibration = predictor.calibration();
    if (cluster.empty()) return predictor.predict(model, at);
    if (calibration.network_of(cluster) == nullptr) {
      return std::vector<Prediction>(at.size(), refused(unknown_cluster(calibration, cluster)));
    }
    const bool several = calibration.networks.size() > 1;
    return predictor.predict(cluster_prefix(cluster, several, ':') + model, at);
  };
  std::cout << predict_points(table, step_times);
}

/// Scripts that ask for a document get one, also where nothing is known of the model.
Forecast forecast_or_refusal(const Arguments& a) {
  const Question question = question_of(a);
  try {
    const Predictor predictor = load_predictor(a);
    const Question known = settled(question, predictor.calibration());
    return make_forecast(known, subject_of(predictor, known));
  } catch (const Refusal& refusal) {
    if (a.json) std::cout << json_text(to_json(refused_forecast(question, refusal.what())));
    throw;
  }
}

void answer_question(const Arguments& a) {
  const Forecast forecast = forecast_or_refusal(a);
  // A forecast without recommendation is still a document for scripts; people get the reason alone.
  if (!a.json && !a.csv) require_recommendation(forecast);
  if (a.json) {
    std::cout << json_text(to_json(forecast));
  } else if (a.csv) {
    std::cout << to_csv(forecast);
  } else {
    std::cout << to_text(forecast, wants_colour());
  }
  require_recommendation(forecast);
}

int run(int argc, char** argv) {
  CLI::App app(
      "Predicts step time, speedup, run time and cost of data-parallel training from what was "
      "measured, and recommends a number of GPUs.\nExit codes: 0 done, 1 failed, 2 usage, 3 "
      "refused: not known from what was measured.");
  app.footer(kObjectives);
  app.name("predict");
  Arguments arguments;
  add_options(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitDone : kExitUsage;
  }
  arguments.points.empty() ? answer_question(arguments) : answer_points(arguments);
  return kExitDone;
}

}  // namespace
}  // namespace forerun

int main(int argc, char** argv) {
  return forerun::run_program("predict", [&] { return forerun::run(argc, argv); });
}
