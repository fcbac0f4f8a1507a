#include "measure/trainer.h"

#include <malloc.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdlib>
#include <set>

#include "measure/clock.h"
#include "model/error.h"

namespace forerun {
namespace {

constexpr int64_t kEvaluationBatch = 256;

}  // namespace

/// How far a step has come.
struct Trainer::Progress {
  /// Ends of the parts of a micro-step, which begins where the one before it ended.
  struct MicroStep {
    Mark loaded, forward, backward;
  };
  Mark start, averaged, updated;
  std::vector<MicroStep> micro_steps;
  torch::Tensor loss;             ///< sum over the micro-steps; readable after Device::settle()
  bool backward_started = false;  ///< of the last micro-step
};

Trainer::Trainer(const Workload& workload, const TrainerOptions& options)
    : name_(workload.name),
      network_(build_network(workload, options.seed)),
      parameters_(trainable_parameters(*network_)),
      options_(options),
      device_(*options.device) {
  require_numbers(options.precision, device_.where().type());
  network_->to(device_.where());
  prepare(*network_, options.precision);
  network_->train();
  if (options.precision.numbers == Numbers::kFloat16) {
    loss_scale_ = std::make_unique<LossScale>(device_.where());
  }
  StrategyOptions strategy{.buckets = options.buckets,
                           .optimizer = options.optimizer,
                           .device = options.device,
                           .loss_scale = loss_scale_.get(),
                           .devices = options.devices};
  strategy.share_weights = options.recordings.empty();
  strategy.replica = [workload, seed = options.seed, precision = options.precision] {
    std::shared_ptr<NeuralNetwork> network = build_network(workload, seed);
    prepare(*network, precision);
    return network;
  };
  strategy_ = find_strategy(options.strategy).make(parameters_, strategy);
  if (!options.recordings.empty()) {
    if (!device_.where().is_cpu()) {
      throw UsageError("--compute recorded waits in place of CPUs; add --device cpu");
    }
    rehearsal_ = std::make_unique<Rehearsal>(parameters_, options.recordings);
  }
}

void Trainer::attach(Communicator& group) {
  group_ = &group;
  strategy_->attach(group);
  if (group.size() == 1 || rehearsal_) return;
  for (const torch::Tensor& b : network_->buffers()) share(group, b);
  group.broadcast(std::as_writable_bytes(std::span(&steps_, 1)), 0);
  if (!strategy_->prepare()) throw OutOfMemory();
}

Batch Trainer::load(const Dataset& data, const std::vector<int64_t>& indices) {
  Batch batch = device_.load(data, indices);
  batch.inputs = prepared(batch.inputs, options_.precision);
  return batch;
}

/// What accumulation cuts a step's samples into.
std::vector<std::vector<int64_t>> Trainer::micro_steps(const std::vector<int64_t>& indices) const {
  const auto count = static_cast<int64_t>(indices.size());
  const int64_t parts = std::min<int64_t>(options_.accumulation, count);
  std::vector<std::vector<int64_t>> cut;
  for (int64_t part = 0; part < parts; ++part) {
    cut.emplace_back(indices.begin() + count * part / parts,
                     indices.begin() + count * (part + 1) / parts);
  }
  return cut;
}

/// `share`: of the step's samples.
void Trainer::micro_step(const Dataset& data, const std::vector<int64_t>& indices, double share,
                         bool last, Progress& progress) {
  Progress::MicroStep marks;
  Batch batch;
  if (rehearsal_) {
    rehearsal_->load(static_cast<int64_t>(indices.size()));
  } else {
    batch = load(data, indices);
  }
  marks.loaded = device_.mark();
  torch::Tensor loss =
      rehearsal_ ? rehearsal_->forward()
                 : cross_entropy(strategy_->forward(*network_, batch.inputs, options_.precision),
                                 batch.targets);
  marks.forward = device_.mark();
  if (last) {
    strategy_->start_backward(marks.forward);
    progress.backward_started = true;
  }
  if (share < 1) loss = loss * share;
  (loss_scale_ == nullptr ? loss : loss_scale_->scaled(loss)).backward();
  if (rehearsal_) rehearsal_->finish_backward();
  marks.backward = device_.mark();
  progress.micro_steps.push_back(std::move(marks));
  progress.loss = progress.loss.defined() ? progress.loss + loss.detach() : loss.detach();
}

void Trainer::run_step(const Dataset& data, const std::vector<int64_t>& indices,
                       Progress& progress) {
  const std::vector<std::vector<int64_t>> cut = micro_steps(indices);
  progress.start = device_.mark();
  for (const std::vector<int64_t>& part : cut) {
    micro_step(data, part, static_cast<double>(part.size()) / static_cast<double>(indices.size()),
               &part == &cut.back(), progress);
  }
  strategy_->finish_backward();
  progress.averaged = device_.mark();
  strategy_->update(steps_ + 1);
  if (loss_scale_ != nullptr) loss_scale_->adapt();
  progress.updated = device_.mark();
  progress.loss = device_.to_host(progress.loss);
}

/// Peers wait for our part of the step's communication.
void Trainer::complete_failed_step(const Progress& progress) {
  for (torch::Tensor& p : parameters_) p.mutable_grad() = torch::Tensor();
  if (!progress.backward_started) strategy_->start_backward(device_.mark());
  strategy_->finish_backward();
  strategy_->update(steps_);
  if (loss_scale_ != nullptr) loss_scale_->adapt();
  device_.settle();
  device_.empty_cache();
}

/// After Device::settle().
StepSample Trainer::sample_of(const Progress& progress) const {
  StepSample sample;
  const double start = device_.seconds(progress.start);
  double end = start;
  const auto lap = [&](const Mark& mark) {
    const double begin = end;
    end = device_.seconds(mark);
    return end - begin;
  };
  for (const Progress::MicroStep& marks : progress.micro_steps) {
    sample.load_s += lap(marks.loaded);
    sample.forward_s += lap(marks.forward);
    sample.backward_s += lap(marks.backward);
  }
  const Blocked blocked = strategy_->blocked();
  sample.forward_s -= blocked.forward_s;
  sample.backward_s -= blocked.backward_s;
  sample.exposed_comm_s =
      lap(progress.averaged) + blocked.forward_s + blocked.backward_s + blocked.update_s;
  sample.optimizer_s = lap(progress.updated) - blocked.update_s;
  sample.step_time_s = end - start;
  sample.loss = progress.loss.item<float>();
  sample.buckets = strategy_->buckets();
  // The marks of the step and, of each bucket, ready, start and end.
  const double marks =
      3.0 + 3.0 * static_cast<double>(progress.micro_steps.size() + sample.buckets.size());
  sample.overhead_s = clock_now() - end + marks * device_.mark_cost_s();
  return sample;
}

StepSample Trainer::step(const Dataset& data, const std::vector<int64_t>& indices,
                         const std::vector<int64_t>& next) {
  Progress progress;
  bool out_of_memory = false;
  device_.ran_out_of_memory();  // what was before does not count
  try {
    run_step(data, indices, progress);
    if (!next.empty() && !rehearsal_) device_.expect(data, micro_steps(next));
    device_.settle();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    out_of_memory = device_.ran_out_of_memory() || is_out_of_memory(error);
    if (!out_of_memory) throw;
  }
  ++steps_;
  if (out_of_memory) {
    complete_failed_step(progress);
    throw OutOfMemory();
  }
  const StepSample sample = sample_of(progress);
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
  torch::Tensor correct = torch::zeros({1}, device_.where());
  for (int64_t at = first; at < last; at += kEvaluationBatch) {
    std::vector<int64_t> indices;
    for (int64_t i = at; i < std::min(at + kEvaluationBatch, last); ++i) indices.push_back(i);
    const Batch batch = load(data, indices);
    correct += accuracy(forward_in(options_.precision, *network_, batch.inputs), batch.targets) *
               static_cast<double>(indices.size());
  }
  network_->train();
  if (ranks > 1) group_->allreduce(floats_of(correct));
  return correct.item<double>() / static_cast<double>(n);
}

double Trainer::state_bytes() const {
  double bytes = strategy_->state_bytes();
  for (const torch::Tensor& p : parameters_) bytes += 2 * static_cast<double>(p.nbytes());
  for (const torch::Tensor& b : network_->buffers()) bytes += static_cast<double>(b.nbytes());
  return bytes;
}

double Trainer::held_bytes() const {
  constexpr size_t kBlock = 512;  // kMinBlockSize in c10/cuda/CUDACachingAllocator.cpp
  std::vector<torch::Tensor> held = strategy_->held();
  const auto hold = [&](const std::vector<torch::Tensor>& more) {
    held.insert(held.end(), more.begin(), more.end());
  };
  hold(network_->parameters());
  hold(network_->buffers());
  for (const torch::Tensor& p : parameters_) hold({p.grad()});
  if (loss_scale_ != nullptr) hold(loss_scale_->state());
  std::set<const void*> seen;
  double bytes = 0;
  for (const torch::Tensor& tensor : held) {
    if (!tensor.defined() || !seen.insert(tensor.storage().unsafeGetStorageImpl()).second) continue;
    const size_t blocks = (tensor.storage().nbytes() + kBlock - 1) / kBlock;
    bytes += static_cast<double>(blocks * kBlock);
  }
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
  if (loss_scale_ != nullptr) {
    archive.write("loss_scale", c10::IValue(loss_scale_->state()));
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
    if (loss_scale_ != nullptr) {
      c10::IValue saved;
      archive.read("loss_scale", saved);
      const std::vector<torch::Tensor> from = saved.toTensorVector(), to = loss_scale_->state();
      for (size_t i = 0; i < to.size(); ++i) torch::Tensor(to[i]).copy_(from.at(i));
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
