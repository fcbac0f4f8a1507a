#include "measure/train.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "measure/block.h"
#include "measure/checkpoint.h"
#include "measure/clock.h"
#include "measure/plan.h"
#include "measure/progress.h"
#include "measure/request.h"
#include "measure/schedule.h"
#include "measure/stop_rule.h"
#include "measure/summary.h"
#include "model/error.h"
#include "model/io/command_line.h"
#include "model/io/run.h"

namespace forerun {
namespace {

constexpr double kTurnTime = 1.0;             // seconds of steps before another run takes its turn
constexpr int64_t kFirstTurn = kLeastWarmup;  // steps, until their time is known: none counts
constexpr double kSlowProcessor = 5e9;        // FLOP/s, for deadlines until a step was timed

/// What is trained on: the same for all runs of a launch.
struct Material {
  Workload workload;
  DataSplit data;
  std::string data_name = "synthetic";  ///< or the folder
};

Material load_material(const MeasureOptions& options, const TrainOptions& train) {
  Material material;
  if (train.data.empty()) {
    material.workload =
        find_workload(options.models.front(), recorded_input(options, options.models.front()));
    material.data.train = synthetic_data(material.workload);
    return material;
  }
  material.data = load_data(train.data);
  material.data_name = std::filesystem::path(train.data).lexically_normal().string();
  const InputShape shape = material.data.train->shape();
  if (!options.input.empty() && !(InputShape::parse(options.input) == shape)) {
    throw UsageError("--input " + options.input + ": the images in " + train.data + " are " +
                     shape.text());
  }
  material.workload =
      find_workload(options.models.front(), shape.text(), material.data.train->classes());
  return material;
}

/// Global batches asked for on `world_size` ranks.
std::vector<int> global_batches(const MeasureOptions& options, int world_size) {
  std::vector<int> batches = options.batches;
  for (const int b : options.local_batches) {
    batches.push_back(b * world_size * options.accumulation);
  }
  if (batches.empty()) batches.push_back(kDefaultBatch);
  return batches;
}

/// How many ranks take part for each world size.
std::vector<int> ranks_of(const std::string& strategy, const std::vector<int>& world_sizes) {
  std::vector<int> ranks;
  for (const int n : world_sizes) ranks.push_back(find_strategy(strategy).ranks(n));
  return ranks;
}

/// One training of the launch. Every rank has the same list; trainers only where a rank takes part.
struct Training {
  Configuration at;
  std::unique_ptr<Sampler> sampler;
  std::unique_ptr<Trainer> trainer;
  int64_t steps_wanted = 0, steps_done = 0;
  // Rank 0's.
  StepRecord record;
  Run run;
  double epoch_s = 0, epoch_loss = 0;
  int64_t epoch_steps = 0;

  bool done() const { return steps_done >= steps_wanted; }
};

class Trainings {
 public:
  Trainings(Job& job, const MeasureOptions& options, const TrainOptions& train,
            const std::vector<int>& world_sizes)
      : job_(job),
        options_(options),
        train_(train),
        groups_(job.world, ranks_of(options.strategies.front(), world_sizes)),
        store_(options.store),
        progress_(job.terminal),
        material_(load_material(options, train)) {
    flop_per_sample_ = workload_facts(material_.workload).flop_per_sample;
    for (const int n : world_sizes) {
      for (const int batch : global_batches(options, n)) add(n, batch);
    }
  }

  void run() {
    while (true) {
      Json mine = {{"run", -1}};
      if (job_.leads() && !stop_requested()) mine = next_turn();
      const Json command = job_.next_command(mine, patience_s_);
      if (command.at("run").get<int>() < 0) break;
      patience_s_ = command.at("expected_s");
      execute(command);
    }
    if (job_.leads()) finish();
  }

 private:
  void add(int world_size, int batch) {
    Training t;
    t.at.placement = job_.map.placement(world_size);
    t.at.accumulation = options_.accumulation;
    t.at.local_batch = batch / (world_size * t.at.accumulation);
    t.at.strategy = options_.strategies.front();
    t.at.precision = options_.precision;
    t.sampler = std::make_unique<Sampler>(material_.data.train->size(), batch, train_.seed);
    t.steps_wanted =
        train_.steps ? *train_.steps : train_.epochs.value_or(1) * t.sampler->steps_per_epoch();
    t.run.model = material_.workload.name;
    t.run.input = material_.workload.input.text();
    t.run.data = material_.data_name;
    t.run.optimizer = Optimizer::named(options_.optimizer, options_.learning_rate).text();
    t.run.seed = train_.seed;
    t.run.machine = job_.machine;
    trainings_.push_back(std::move(t));
  }

  std::string title(const Training& t) const {
    return Question{t.run.model, t.at.strategy, t.at.world_size(), t.at.local_batch, 0}.text();
  }

  /// `resnet18-2-b64`, with what is not the default.
  std::string stem(const Training& t) const {
    std::string name =
        t.run.model + "-" + t.at.placement.text() + "-b" + std::to_string(t.at.local_batch);
    if (t.at.strategy != "ddp") name += "-" + t.at.strategy;
    if (t.at.accumulation > 1) name += "-accumulation" + std::to_string(t.at.accumulation);
    if (options_.optimizer != "sgd") name += "-" + options_.optimizer;
    if (t.at.precision != "float32") name += "-" + t.at.precision;
    if (!train_.data.empty()) {
      const std::filesystem::path folder(material_.data_name);
      name += "-" + (folder.has_filename() ? folder : folder.parent_path()).filename().string();
    }
    if (train_.seed != 0) name += "-seed" + std::to_string(train_.seed);
    return name;
  }
  std::filesystem::path run_file(const Training& t) const {
    return store_.runs() / (stem(t) + ".json");
  }
  std::filesystem::path checkpoint_file(const Training& t) const {
    return store_.folder / "checkpoints" / (stem(t) + ".pt");
  }

  /// Rank 0: whose turn it is; the runs take turns, so that drift of the machine hits all alike.
  Json next_turn() {
    for (size_t tried = 0; tried < trainings_.size(); ++tried) {
      const size_t i = turn_++ % trainings_.size();
      Training& t = trainings_[i];
      if (t.done()) continue;
      const std::vector<double> times = t.record.step_times();
      const double step = times.empty() ? 0 : median_interval(times).median;
      int64_t steps = times.empty() ? kFirstTurn : static_cast<int64_t>(kTurnTime / step);
      const int64_t per_epoch = t.sampler->steps_per_epoch();
      // As in a campaign: long steps do not feel that another training had the caches.
      const bool switched = trainings_.size() > 1 && !times.empty() && step < kColdStart;
      steps = std::max<int64_t>(steps, switched ? 2 : 1);
      steps =
          std::min({steps, t.steps_wanted - t.steps_done, per_epoch - t.steps_done % per_epoch});
      const double guess = flop_per_sample_ * t.at.local_batch / kSlowProcessor;
      return {{"run", i},
              {"first_step", t.steps_done},
              {"discard", switched && steps > 1 ? 1 : 0},
              {"steps", steps - (switched && steps > 1 ? 1 : 0)},
              {"expected_s", (times.empty() ? guess : step) * static_cast<double>(steps)}};
    }
    return {{"run", -1}};
  }

  void execute(const Json& command) {
    Training& t = trainings_[command.at("run").get<size_t>()];
    Communicator* group = groups_.get(find_strategy(t.at.strategy).ranks(t.at.world_size()));
    if (group == nullptr) {
      job_.enter("waiting while " + title(t) + " trains", command.at("expected_s"));
      return;
    }
    job_.enter("training " + title(t), command.at("expected_s"));
    if (t.trainer == nullptr) start(t, *group);
    BlockSpec spec;
    spec.first_step = t.steps_done;
    spec.discard = command.at("discard");
    spec.steps = command.at("steps");
    spec.watch_memory =
        t.record.steps() == 0 && spec.first_step == 0 && !options_.rehearsal.active();
    spec.others_bytes = others_bytes(t);
    const StepRecord block = run_block(job_, *t.trainer, *material_.data.train, *t.sampler, spec);
    require_memory(t, *group, block);
    t.steps_done += spec.discard + spec.steps;
    if (job_.leads()) take(t, block);
    const bool epoch_ends = t.steps_done % t.sampler->steps_per_epoch() == 0;
    if (epoch_ends) end_epoch(t);
    if (job_.leads() && (t.done() || epoch_ends)) save(t);
  }

  void start(Training& t, Communicator& group) {
    TrainerOptions options = trainer_options(options_, job_, t.at.strategy, t.at.world_size());
    options.seed = train_.seed;
    rehearse(options, options_, recordings_for(options_, material_.workload, {t.at.local_batch}),
             workload_facts(material_.workload).parameters);
    try {
      t.trainer = std::make_unique<Trainer>(material_.workload, options);
      if (train_.resume && job_.leads()) resume(t);
      t.trainer->attach(group);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      if (is_out_of_memory(error)) throw too_large(t);
      throw;
    }
    t.steps_done = std::stoll(group.broadcast_text(std::to_string(t.steps_done)));
  }

  /// Out of memory is an error here: the user asked for this training. All ranks of the group end.
  void require_memory(const Training& t, Communicator& group, const StepRecord& block) {
    const std::string failed = group.broadcast_text(block.out_of_memory ? "1" : "0");
    if (failed == "0") return;
    throw too_large(t);
  }

  Error too_large(const Training& t) const {
    return Error(title(t) + " does not fit into " +
                 format_bytes(Bytes<>(job_.machine.memory_per_rank_bytes)) +
                 " of memory per rank; a smaller --batch or more ranks would help");
  }

  double others_bytes(const Training& t) const {
    double bytes = 0;
    for (const Training& other : trainings_) {
      if (&other != &t && other.trainer != nullptr) bytes += other.trainer->held_bytes();
    }
    return bytes;
  }

  void take(Training& t, const StepRecord& block) {
    for (const double loss : block.loss) t.epoch_loss += loss;
    t.epoch_steps += static_cast<int64_t>(block.loss.size());
    for (const double s : block.step_times()) t.epoch_s += s;
    t.run.loss.insert(t.run.loss.end(), block.loss.begin(), block.loss.end());
    t.record.append(block);
    int64_t done = 0, wanted = 0;
    double left = 0;
    for (const Training& other : trainings_) {
      done += other.steps_done;
      wanted += other.steps_wanted;
      const std::vector<double> times = other.record.step_times();
      if (times.empty()) continue;
      left += static_cast<double>(other.steps_wanted - other.steps_done) *
              median_interval(times).median;
    }
    progress_.bar(static_cast<double>(done) / static_cast<double>(wanted), left, title(t));
  }

  void end_epoch(Training& t) {
    Epoch epoch;
    if (material_.data.held_out != nullptr) {
      job_.enter("evaluating " + title(t), 60);
      epoch.accuracy = t.trainer->evaluate(*material_.data.held_out);
    }
    t.trainer->prepare_save();
    if (!job_.leads()) return;
    epoch.epoch = static_cast<int>(t.steps_done / t.sampler->steps_per_epoch());
    epoch.time_s = t.epoch_s;
    epoch.loss = t.epoch_loss / static_cast<double>(std::max<int64_t>(t.epoch_steps, 1));
    t.epoch_s = t.epoch_loss = 0;
    t.epoch_steps = 0;
    t.run.epochs.push_back(epoch);
    char text[128];
    std::snprintf(text, sizeof text, ": epoch %d, loss %.4f", epoch.epoch, epoch.loss);
    std::string line = title(t) + text;
    if (epoch.accuracy) {
      std::snprintf(text, sizeof text, ", accuracy %.1f %%", 100 * *epoch.accuracy);
      line += text;
    }
    progress_.line(line + ", " + format_duration(Seconds<>(epoch.time_s)));
    save_checkpoint(checkpoint_file(t), *t.trainer, standing(t));
  }

  /// What a checkpoint holds beside the weights.
  Standing standing(const Training& t) const {
    return {.global_batch = t.at.global_batch(),
            .seed = train_.seed,
            .data = material_.data_name,
            .learning_rate = options_.learning_rate,
            .steps = t.steps_done,
            .loss = t.run.loss,
            .epochs = t.run.epochs};
  }

  void resume(Training& t) {
    const std::filesystem::path path = checkpoint_file(t);
    if (!std::filesystem::exists(path)) {
      progress_.line(title(t) + ": no checkpoint yet, starting from the first step");
      return;
    }
    Standing was = load_checkpoint(path, *t.trainer, standing(t));
    t.steps_done = was.steps;
    t.run.loss = std::move(was.loss);
    t.run.epochs = std::move(was.epochs);
    progress_.line(title(t) + ": resuming after step " + std::to_string(t.steps_done));
  }

  /// The record so far into the run.
  void take_stock(Training& t) {
    const int warmup = warmup_steps(t.record.step_times());
    t.run.steps = to_measured(t.at, t.record, warmup, nullptr);
    t.run.steps.role = "test";
  }

  void save(Training& t) {
    take_stock(t);
    if (!t.run.steps.step_times().empty()) save_run(run_file(t), t.run);
  }

  void finish() {
    progress_.clear();
    std::vector<Blocks> blocks;
    for (Training& t : trainings_) {
      if (t.record.steps() > 0) take_stock(t);
      blocks.push_back(t.run.steps.blocks());
    }
    const std::vector<double> widths = half_widths(blocks);
    std::vector<FinishedRun> finished;
    for (size_t i = 0; i < trainings_.size(); ++i) {
      Training& t = trainings_[i];
      if (!blocks[i].empty()) {
        t.run.steps.relative_half_width = widths[i];
        save_run(run_file(t), t.run);
      }
      finished.push_back({title(t), run_file(t).string(), t.run, t.done()});
    }
    print_runs(finished, options_.json);
  }

  Job& job_;
  const MeasureOptions& options_;
  const TrainOptions& train_;
  Groups groups_;
  Store store_;
  Progress progress_;
  Material material_;
  std::vector<Training> trainings_;
  size_t turn_ = 0;
  double flop_per_sample_ = 0;
  double patience_s_ = 1;
};

}  // namespace

void check_training(const MeasureOptions& options, const TrainOptions& train,
                    const std::vector<int>& world_sizes) {
  const Material material = load_material(options, train);
  require_divisible(options.batches.empty() && options.local_batches.empty()
                        ? std::vector<int>{kDefaultBatch}
                        : options.batches,
                    world_sizes, options.accumulation);
  for (const int n : world_sizes) {
    for (const int batch : global_batches(options, n)) {
      const Sampler sampler(material.data.train->size(), batch, 0);
      recordings_for(options, material.workload, {batch / (n * options.accumulation)});
    }
    if (n > 1 && find_strategy(options.strategies.front()).processes == Processes::kOne) {
      throw UsageError("strategy " + options.strategies.front() +
                       " trains on one rank; add --world-size 1, or take ddp");
    }
  }
}

void run_training(Job& job, const MeasureOptions& options, const TrainOptions& train,
                  const std::vector<int>& world_sizes) {
  Trainings(job, options, train, world_sizes).run();
}

}  // namespace forerun
