#include "measure/trainer.h"

#include <malloc.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdlib>
#include <new>

#include "measure/clock.h"
#include "model/error.h"

namespace forerun {
namespace {

constexpr int64_t kEvaluationBatch = 256;

/// LibTorch reports a failed allocation on CPUs as a c10::Error with this text, oneDNN as its own
/// status.
bool is_out_of_memory(const std::string& what) {
  for (const char* sign : {"can't allocate memory", "not enough memory", "out of memory",
                           "could not create a memory", "out_of_memory"}) {
    if (what.find(sign) != std::string::npos) return true;
  }
  return false;
}

double clock_cost() {
  static const double cost = [] {
    constexpr int kCalls = 2000;
    const double start = clock_now();
    for (int i = 0; i < kCalls; ++i) clock_now();
    return (clock_now() - start) / kCalls;
  }();
  return cost;
}

}  // namespace

/// How far a step has come, and what it took so far.
struct Trainer::Progress {
  StepSample sample;
  bool backward_started = false;  ///< of the last micro-step
  double updated = 0;             ///< when the step was over
};

Trainer::Trainer(const Workload& workload, const TrainerOptions& options)
    : name_(workload.name),
      network_(build_network(workload, options.seed)),
      parameters_(trainable_parameters(*network_)),
      options_(options) {
  network_->train();
  StrategyOptions strategy{options.buckets, options.optimizer, options.devices, {}};
  strategy.share_weights = options.recordings.empty();
  strategy.replica = [workload, seed = options.seed] { return build_network(workload, seed); };
  strategy_ = find_strategy(options.strategy).make(parameters_, strategy);
  if (!options.recordings.empty()) {
    rehearsal_ = std::make_unique<Rehearsal>(parameters_, options.recordings);
  }
}

void Trainer::attach(Communicator& group) {
  group_ = &group;
  strategy_->attach(group);
  if (group.size() == 1 || rehearsal_) return;
  for (torch::Tensor& b : network_->buffers()) {
    group.broadcast({static_cast<std::byte*>(b.data_ptr()), b.nbytes()}, 0);
  }
  group.broadcast(std::as_writable_bytes(std::span(&steps_, 1)), 0);
}

/// `share`: of the step's samples.
void Trainer::micro_step(const Dataset& data, const std::vector<int64_t>& indices, double share,
                         bool last, Progress& progress) {
  StepSample& sample = progress.sample;
  const double start = clock_now();
  Batch batch;
  if (rehearsal_) {
    rehearsal_->load(static_cast<int64_t>(indices.size()));
  } else {
    batch = data.get(indices);
  }
  const double loaded = clock_now();
  torch::Tensor loss =
      rehearsal_ ? rehearsal_->forward()
                 : cross_entropy(strategy_->forward(*network_, batch.inputs, options_.precision),
                                 batch.targets);
  const double forward = clock_now();
  if (last) {
    strategy_->start_backward(forward);
    progress.backward_started = true;
  }
  if (share < 1) loss = loss * share;
  loss.backward();
  if (rehearsal_) rehearsal_->finish_backward();
  const double backward = clock_now();
  sample.load_s += loaded - start;
  sample.forward_s += forward - loaded;
  sample.backward_s += backward - forward;
  sample.loss += loss.item<float>();
}

void Trainer::run_step(const Dataset& data, const std::vector<int64_t>& indices,
                       Progress& progress) {
  StepSample& sample = progress.sample;
  const auto count = static_cast<int64_t>(indices.size());
  const int64_t parts = std::min<int64_t>(options_.accumulation, count);
  const double start = clock_now();
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t first = count * part / parts, end = count * (part + 1) / parts;
    micro_step(data, {indices.begin() + first, indices.begin() + end},
               static_cast<double>(end - first) / static_cast<double>(count), part == parts - 1,
               progress);
  }
  const double backward = clock_now();
  strategy_->finish_backward();
  const double averaged = clock_now();
  strategy_->update(steps_ + 1);
  progress.updated = clock_now();
  const Blocked blocked = strategy_->blocked();
  sample.forward_s -= blocked.forward_s;
  sample.backward_s -= blocked.backward_s;
  sample.exposed_comm_s =
      averaged - backward + blocked.forward_s + blocked.backward_s + blocked.update_s;
  sample.step_time_s = progress.updated - start;
  sample.optimizer_s = progress.updated - averaged - blocked.update_s;
  // What lies between the micro-steps: reading the loss.
  sample.load_s += backward - start -
                   (sample.load_s + sample.forward_s + sample.backward_s + blocked.forward_s +
                    blocked.backward_s);
}

/// Peers wait for our part of the step's communication.
void Trainer::complete_failed_step(const Progress& progress) {
  for (torch::Tensor& p : parameters_) p.mutable_grad() = torch::Tensor();
  if (!progress.backward_started) strategy_->start_backward(clock_now());
  strategy_->finish_backward();
  strategy_->update(steps_);
}

StepSample Trainer::step(const Dataset& data, const std::vector<int64_t>& indices) {
  Progress progress;
  bool out_of_memory = false;
  try {
    run_step(data, indices, progress);
  } catch (const std::bad_alloc&) {
    out_of_memory = true;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    out_of_memory = is_out_of_memory(error.what());
    if (!out_of_memory) throw;
  }
  ++steps_;
  if (out_of_memory) {
    complete_failed_step(progress);
    throw OutOfMemory();
  }
  StepSample& sample = progress.sample;
  sample.buckets = strategy_->buckets();
  // Clock readings inside the step and, in each bucket, ready, start and end.
  sample.overhead_s =
      clock_now() - progress.updated + (7.0 + 3.0 * sample.buckets.size()) * clock_cost();
  if (!std::isfinite(sample.loss)) {
    throw Error(name_ + ": the loss is " + std::to_string(sample.loss) + " in step " +
                std::to_string(steps_) +
                "; a smaller --learning-rate, or data without NaN, would help");
  }
  return sample;
}

double Trainer::evaluate(const Dataset& data) {
  const torch::NoGradGuard no_grad;
  network_->eval();
  const int64_t n = data.size(), ranks = group_->size();
  const int64_t first = n * group_->rank() / ranks, last = n * (group_->rank() + 1) / ranks;
  float correct = 0;
  for (int64_t at = first; at < last; at += kEvaluationBatch) {
    std::vector<int64_t> indices;
    for (int64_t i = at; i < std::min(at + kEvaluationBatch, last); ++i) indices.push_back(i);
    const Batch batch = data.get(indices);
    correct += static_cast<float>(
        accuracy(forward_in(options_.precision, *network_, batch.inputs), batch.targets) *
        static_cast<double>(indices.size()));
  }
  network_->train();
  if (ranks > 1) group_->allreduce({&correct, 1});
  return static_cast<double>(correct) / static_cast<double>(n);
}

double Trainer::state_bytes() const {
  double bytes = strategy_->state_bytes();
  for (const torch::Tensor& p : parameters_) bytes += 2 * static_cast<double>(p.nbytes());
  for (const torch::Tensor& b : network_->buffers()) bytes += static_cast<double>(b.nbytes());
  return bytes;
}

void Trainer::save(const std::string& path, const std::string& note) {
  torch::serialize::OutputArchive archive;
  archive.write("note", c10::IValue(note));
  archive.write("steps", c10::IValue(steps_));
  const std::vector<torch::Tensor> states = strategy_->states();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    archive.write("parameter." + std::to_string(i), parameters_[i].detach().clone());
    archive.write("state." + std::to_string(i), states[i].clone());
  }
  const std::vector<torch::Tensor> buffers = network_->buffers();
  for (size_t i = 0; i < buffers.size(); ++i) {
    archive.write("buffer." + std::to_string(i), buffers[i], true);
  }
  archive.save_to(path);
}

std::string Trainer::load(const std::string& path) {
  const torch::NoGradGuard no_grad;
  try {
    torch::serialize::InputArchive archive;
    archive.load_from(path);
    c10::IValue note, steps;
    archive.read("note", note);
    archive.read("steps", steps);
    const auto restore = [&archive](const std::string& key, const torch::Tensor& to) {
      torch::Tensor from;
      archive.read(key, from);
      if (from.sizes() != to.sizes()) throw Error(key + " has another shape");
      to.copy_(from);
    };
    const std::vector<torch::Tensor> states = strategy_->states();
    for (size_t i = 0; i < parameters_.size(); ++i) {
      restore("parameter." + std::to_string(i), parameters_[i].detach());
      restore("state." + std::to_string(i), states[i]);
    }
    std::vector<torch::Tensor> buffers = network_->buffers();
    for (size_t i = 0; i < buffers.size(); ++i) {
      torch::Tensor from;
      archive.read("buffer." + std::to_string(i), from, true);
      buffers[i].copy_(from);
    }
    steps_ = steps.toInt();
    return note.toStringRef();
  } catch (const std::exception& error) {
    const std::string what = error.what();
    throw Error(path + ": cannot resume from this checkpoint (" + what.substr(0, what.find('\n')) +
                "); without --resume training starts anew");
  }
}

std::string set_up_compute(int threads) {
  at::set_num_threads(threads);
  at::set_num_interop_threads(1);
  // Gradients that fade into denormals would make late steps slower than early ones.
  const bool flushed = at::globalContext().setFlushDenormal(true);
  // Activations come and go with every step: without these the heap is given back and faulted in
  // again each time.
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  const char* tunables = std::getenv("GLIBC_TUNABLES");
  return std::string("freed memory kept, denormals ") + (flushed ? "flushed" : "kept") +
         (tunables == nullptr ? "" : std::string(", ") + tunables);
}

std::string torch_version() { return TORCH_VERSION; }

}  // namespace forerun
