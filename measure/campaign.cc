#include "measure/campaign.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "measure/block.h"
#include "measure/clock.h"
#include "measure/findings.h"
#include "measure/link_check.h"
#include "measure/nccl_record.h"
#include "measure/plan.h"
#include "measure/progress.h"
#include "measure/request.h"
#include "measure/schedule.h"
#include "measure/sweep.h"
#include "model/error.h"
#include "model/io/command_line.h"

namespace forerun {
namespace {

constexpr double kSweepShare = 0.10;  // of the budget
constexpr double kLongestSweep = 60;  // seconds
constexpr int kStepsPerQuietOne = 10;
constexpr int kMostQuietSteps = 20;
constexpr double kEndShare = 0.01;  // of the budget: the last save, the summary, the shutdown

/// One model in training on this rank, for all of its questions: they share weights and buckets.
struct Training {
  Workload workload;
  std::shared_ptr<Dataset> data;
  std::unique_ptr<Trainer> trainer;
};

/// Strategies that drive many devices from one rank need the group of one.
std::vector<int> with_one(std::vector<int> world_sizes) {
  if (std::ranges::find(world_sizes, 1) == world_sizes.end()) world_sizes.push_back(1);
  return world_sizes;
}

std::string size_text(double bytes) { return format_bytes(Bytes<>(bytes)); }
std::string time_text(double seconds) { return format_duration(Seconds<>(seconds)); }

class Campaign {
 public:
  Campaign(Job& job, const MeasureOptions& options, const std::vector<int>& world_sizes)
      : job_(job),
        options_(options),
        world_sizes_(world_sizes),
        groups_(job.world, with_one(world_sizes)),
        progress_(job.terminal),
        deadline_s_(job.started_s + options.budget_s * (1 - kEndShare)),
        findings_(job, options, models_, progress_) {
    for (WorkloadRequest& request : requests(options, world_sizes)) {
      const std::string name = request.workload.name;
      models_[name] = {std::move(request), {}};
    }
  }

  void run() {
    if (job_.leads()) findings_.open();
    sweep();
    check_neighbours();
    plan();
    train();
    keep_what_nccl_said();
    if (job_.leads()) {
      findings_.save();
      progress_.clear();
      findings_.print();
      job_.watchdog.expect("ending");
      if (!stop_requested()) findings_.require_any();
    }
  }

 private:
  void keep_what_nccl_said() {
    if (job_.nccl_log == nullptr) return;
    findings_.profile().machine.nccl = collect_nccl_log(job_.world, *job_.nccl_log);
  }

  void sweep() {
    const double start = clock_now();
    const double budget = std::min(kSweepShare * options_.budget_s, kLongestSweep);
    SweepOptions sweep;
    sweep.deadline_s = std::min(start + budget, deadline_s_);
    if (options_.sweep_to_bytes > 0) {
      sweep.largest_bytes = options_.sweep_to_bytes;
      sweep.first_deadline_s = deadline_s_;
    }
    const double asked = sweep.largest_bytes;
    while (sweep.largest_bytes > job_.machine.memory_per_rank_bytes / 4) sweep.largest_bytes /= 2;
    sweep.collectives = collectives();
    const SweepGroups groups(job_, groups_, world_sizes_);
    const std::vector<Unswept> unswept =
        forerun::sweep(job_, groups, sweep, findings_.profile().network, [this] {
          findings_.save_unless_just_done();
          progress_.bar((clock_now() - job_.started_s) / options_.budget_s,
                        deadline_s_ - clock_now(), "sweeping the network");
        });
    if (!job_.leads()) return;
    if (groups.all().empty()) {
      if (options_.sweep_to_bytes > 0)
        findings_.leave_out("all collectives", "one rank sends none");
      return;
    }
    tell_sweep(clock_now() - start);
    if (options_.sweep_to_bytes > 0 && sweep.largest_bytes < asked) {
      findings_.leave_out("collectives of more than " + size_text(sweep.largest_bytes),
                          "a buffer may take a quarter of a rank's " +
                              size_text(job_.machine.memory_per_rank_bytes));
    }
    const size_t per_size = groups.all().size() * sweep.collectives.size();
    if (!stop_requested()) tell_unswept(unswept, per_size, sweep.largest_bytes);
  }

  /// A few seconds at most: four buckets' worth of the slowest link that is likely.
  void check_neighbours() {
    constexpr double kSize = 4 << 20;
    constexpr int kRepetitions = 3;
    const bool due = job_.leads() && findings_.profile().pairs.empty() && !stop_requested() &&
                     clock_now() < deadline_s_;
    const Json command = job_.next_command({{"check", due}}, 1);
    if (!command.at("check").get<bool>()) return;
    std::vector<HostPair> pairs = check_links(job_, kSize, kRepetitions);
    if (job_.leads()) findings_.profile().pairs = std::move(pairs);
  }

  /// What was asked for, else what the strategies send.
  std::vector<Collective> collectives() const {
    return options_.collectives.empty() ? collectives_of(options_.strategies)
                                        : options_.collectives;
  }

  void tell_sweep(double seconds) {
    const std::vector<SweepPoint>& network = findings_.profile().network;
    if (network.empty()) return;
    double largest = 0;
    for (const SweepPoint& point : network) largest = std::max(largest, point.size_bytes);
    std::string names;
    for (const Collective collective : collectives()) {
      names.append(names.empty() ? "" : ", ").append(collective_name(collective));
    }
    progress_.line("measured the network (" + names + "): " + std::to_string(network.size()) +
                   " points up to " + size_text(largest) + " in " + time_text(seconds));
  }

  void tell_unswept(const std::vector<Unswept>& unswept, size_t per_size, double largest_bytes) {
    if (unswept.empty()) return;
    double needed = 0;
    for (const Unswept& one : unswept) needed += one.needed_s;
    const std::string why = "they need at least " + time_text(needed) + ", ";
    const double left = std::max(0.0, deadline_s_ - clock_now());
    const auto mebibytes = static_cast<long>(largest_bytes / (1 << 20));
    findings_.leave_out(
        "collectives of " + unswept_sizes(unswept, per_size),
        options_.sweep_to_bytes > 0
            ? why + "the budget has " + time_text(left) + " left; a longer --budget would help"
            : why + "more than sweeps may take (--sweep-to " + std::to_string(mebibytes) +
                  "MiB takes what it needs)");
  }

  /// Everything that is asked, the same list on every rank.
  void plan() {
    std::vector<Question> questions;
    for (auto& [name, model] : models_) {
      model.facts = workload_facts(model.request.workload);
      for (const std::string& strategy : options_.strategies) {
        for (const int n : world_sizes_) {
          if (can_run(strategy, n)) ask(model, strategy, n, questions);
        }
      }
    }
    schedule_ = std::make_unique<Schedule>(std::move(questions), StopGoal{}, deadline_s_);
    if (job_.leads()) findings_.begin(*schedule_);
  }

  void ask(const MeasuredModel& model, const std::string& strategy, int world_size,
           std::vector<Question>& questions) const {
    const WorkloadRequest& request = model.request;
    const std::vector<int> grid =
        request.local_batches.empty()
            ? local_batch_grid(request.global_batches, world_sizes_, world_size)
            : request.local_batches;
    for (const int b : grid) {
      if (options_.rehearsal.active() && !request.recordings.contains(b)) continue;
      questions.push_back(
          {request.workload.name, strategy, world_size, b, model.facts.flop_per_sample});
    }
  }

  bool can_run(const std::string& strategy, int world_size) {
    const Processes processes = find_strategy(strategy).processes;
    if (processes == Processes::kOne) return world_size == 1;
    if (processes == Processes::kOnePerDevice) return true;
    const int nodes = job_.map.placement(world_size).nodes();
    if (nodes > 1 && job_.leads()) {
      progress_.line("left out " + strategy + " on " + std::to_string(world_size) +
                     " devices: one process drives those of one node (they are on " +
                     std::to_string(nodes) + ")");
    }
    return nodes == 1;
  }

  void train() {
    double patience_s = 1;
    while (true) {
      std::optional<Block> block;
      const bool again = again_.has_value();
      if (job_.leads() && !stop_requested()) {
        block = again ? std::exchange(again_, std::nullopt) : schedule_->next(clock_now());
      }
      Json mine = {{"question", -1}};
      if (block) mine = order(*block, again);
      const Json command = job_.next_command(mine, patience_s);
      if (command.at("question").get<int>() < 0) break;
      patience_s = command.at("expected_s");
      execute(command, block);
    }
    if (job_.leads()) findings_.close();
  }

  /// A block as a message. The group changes hands where the last block of this model was another
  /// group's: then the weights are rank 0's again. `alone`: without the other models, whose
  /// trainings start anew when it is their turn.
  Json order(const Block& block, bool alone) {
    const Question& question = schedule_->questions()[block.question];
    if (alone) {
      std::erase_if(last_group_,
                    [&](const auto& one) { return one.first != training_name(question); });
    }
    int& last = last_group_[training_name(question)];
    const bool attach = last != question.world_size;
    last = question.world_size;
    int64_t& quiet_given = quiet_given_[block.question];
    const bool overlaps = find_strategy(question.strategy).ranks(question.world_size) > 1;
    const bool quiet = overlaps && quiet_given < kMostQuietSteps &&
                       steps_given_[block.question] >= kStepsPerQuietOne * (quiet_given + 1);
    quiet_given += quiet ? 1 : 0;
    return {{"question", block.question},
            {"discard", block.discard},
            {"steps", block.steps},
            {"quiet", quiet ? 1 : 0},
            {"first_step", steps_given_[block.question]},
            {"attach", attach},
            {"alone", alone},
            {"watch_memory", steps_given_[block.question] == 0 && !options_.rehearsal.active()},
            {"expected_s", block.expected_s}};
  }

  void execute(const Json& command, const std::optional<Block>& block) {
    const int q = command.at("question");
    const Question& question = schedule_->questions()[q];
    if (command.at("alone").get<bool>()) release_others(training_name(question));
    Communicator* group = groups_.get(find_strategy(question.strategy).ranks(question.world_size));
    if (group == nullptr) {
      job_.enter("waiting while " + question.text() + " trains", command.at("expected_s"));
      return;
    }
    job_.enter("training " + question.text(), command.at("expected_s"));
    const double start = clock_now();
    if (!make_ready(question, *group, command.at("attach"))) {
      if (job_.leads()) take(*block, {.out_of_memory = true}, clock_now() - start);
      return;
    }
    const Training& training = trainings_.at(training_name(question));
    const int64_t global = configuration_of(question, job_.map, options_).global_batch();
    const Sampler sampler(std::max(global, training.data->size()), global, 0);
    BlockSpec spec;
    spec.first_step = command.at("first_step");
    spec.discard = command.at("discard");
    spec.steps = command.at("steps");
    spec.quiet = command.at("quiet");
    spec.watch_memory = command.at("watch_memory");
    spec.others_bytes = others_bytes(training);
    const StepRecord record = run_block(job_, *training.trainer, *training.data, sampler, spec);
    if (job_.leads()) take(*block, record, clock_now() - start - record.quiet_s);
  }

  /// The question's trainer in its group, on all ranks of it or, where the memory of one is too
  /// small, on none.
  bool make_ready(const Question& question, Communicator& group, bool attach) {
    if (!attach) return true;
    bool fits = true;
    try {
      training_for(question);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error)) throw;
      fits = false;
    }
    fits = group.on_all(fits);
    try {
      if (fits) training_for(question).trainer->attach(group);
    } catch (const OutOfMemory&) {
      fits = false;
    }
    if (!fits) trainings_.erase(training_name(question));
    if (!fits && job_.leads()) last_group_.erase(training_name(question));
    return fits;
  }

  /// Their memory is another's now.
  void release_others(const std::string& name) {
    std::erase_if(trainings_, [&](const auto& one) { return one.first != name; });
    if (job_.device != nullptr) job_.device->empty_cache();
  }

  /// Of a GPU other models' weights and states may take much, of a host little beside activations.
  bool others_were_in_the_way(const Question& question) const {
    return job_.device != nullptr && std::ranges::any_of(last_group_, [&](const auto& one) {
             return one.first != training_name(question);
           });
  }

  double others_bytes(const Training& training) const {
    double bytes = 0;
    for (const auto& [name, other] : trainings_) {
      if (&other != &training) bytes += other.trainer->held_bytes();
    }
    return bytes;
  }

  /// Questions with one name share weights and buckets.
  static std::string training_name(const Question& question) {
    std::string name = question.model + "/" + question.strategy;
    if (find_strategy(question.strategy).processes == Processes::kOneForAllDevices) {
      name.append("/").append(std::to_string(question.world_size));
    }
    return name;
  }

  Training& training_for(const Question& question) {
    Training& training = trainings_[training_name(question)];
    if (training.trainer == nullptr) {
      const MeasuredModel& model = models_.at(question.model);
      training.workload = model.request.workload;
      training.data = synthetic_data(training.workload);
      TrainerOptions options =
          trainer_options(options_, job_, question.strategy, question.world_size);
      rehearse(options, options_, model.request.recordings, model.facts.parameters);
      training.trainer = std::make_unique<Trainer>(training.workload, options);
    }
    return training;
  }

  /// Rank 0: a block's result.
  void take(const Block& block, const StepRecord& record, double block_s) {
    if (record.out_of_memory && others_were_in_the_way(schedule_->questions()[block.question])) {
      again_ = block;
      return;
    }
    steps_given_[block.question] += block.discard + block.steps;
    findings_.take(block, record, block_s);
  }

  Job& job_;
  const MeasureOptions& options_;
  const std::vector<int> world_sizes_;
  Groups groups_;
  Progress progress_;
  const double deadline_s_;
  MeasuredModels models_;
  std::map<std::string, Training> trainings_;
  std::unique_ptr<Schedule> schedule_;

  // Rank 0's.
  Findings findings_;
  std::map<int, int64_t> steps_given_, quiet_given_;
  std::map<std::string, int> last_group_;
  std::optional<Block> again_;  // did not fit beside other models
};

}  // namespace

void run_campaign(Job& job, const MeasureOptions& options, const std::vector<int>& world_sizes) {
  Campaign(job, options, world_sizes).run();
}

}  // namespace forerun
