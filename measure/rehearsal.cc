#include "measure/rehearsal.h"

#include <sys/prctl.h>
#include <torch/torch.h>

#include <algorithm>
#include <limits>
#include <thread>

#include "measure/clock.h"
#include "model/error.h"

namespace forerun {

struct Rehearsal::State {
  std::vector<torch::Tensor> parameters;
  Recordings recordings;
  int64_t local_batch = 0;
  std::vector<double> ready_s;  // of the gradients, last parameter first
  torch::Tensor zeros;          // every gradient is a part of it
  torch::Tensor loss;           // the graph is built once: it holds no step's data
  double forward_start_s = 0, backward_start_s = 0;  // as recorded from the start of the step
  // Copying a gradient away is real work that the recorded times hold already.
  std::vector<double> handling_s;
  double delivered_s = 0;

  const Recording& recording() const { return recordings.at(static_cast<int>(local_batch)); }
  torch::Tensor deliver(size_t i);
  void build_graph();
};

namespace {

constexpr double kWakeUp = 100e-6;  // a sleeper may be so late: the end of a step is not

/// One gradient of the backward pass. The chain of these nodes fixes their order.
class Arrival : public torch::autograd::Function<Arrival> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor&,
                               const torch::Tensor&, int64_t state, int64_t index) {
    context->saved_data["state"] = state;
    context->saved_data["index"] = index;
    return torch::zeros({});
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto* state = reinterpret_cast<Rehearsal::State*>(context->saved_data["state"].toInt());
    const auto index = static_cast<size_t>(context->saved_data["index"].toInt());
    return {gradients.at(0), state->deliver(index), torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

torch::Tensor Rehearsal::State::deliver(size_t i) {
  const double now = clock_now();
  if (i > 0) handling_s[i - 1] = std::min(handling_s[i - 1], now - delivered_s);
  const bool known = handling_s[i] < std::numeric_limits<double>::infinity();
  sleep_until(backward_start_s + ready_s[i] - (known ? handling_s[i] : 0));
  const torch::Tensor& p = parameters[parameters.size() - 1 - i];
  delivered_s = clock_now();
  // A tensor of its own, which autograd moves into place; its memory is shared.
  return torch::from_blob(zeros.data_ptr(), p.sizes(), p.options().requires_grad(false));
}

/// The last parameter's node is the root: its gradient comes first.
void Rehearsal::State::build_graph() {
  loss = torch::zeros({});
  for (size_t k = 0; k < parameters.size(); ++k) {
    const auto index = static_cast<int64_t>(parameters.size() - 1 - k);
    loss = Arrival::apply(loss, parameters[k], reinterpret_cast<int64_t>(this), index);
  }
}

Rehearsal::Rehearsal(std::vector<torch::Tensor> parameters, Recordings recordings)
    : state_(std::make_unique<State>()) {
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // nanoseconds: waits end in time
  state_->parameters = std::move(parameters);
  state_->recordings = std::move(recordings);
  int64_t largest = 0;
  for (const torch::Tensor& p : state_->parameters) largest = std::max(largest, p.numel());
  state_->zeros = torch::zeros({largest});
}

Rehearsal::~Rehearsal() = default;

void Rehearsal::load(int64_t local_batch) {
  const double start = clock_now();
  State& state = *state_;
  if (!state.recordings.contains(static_cast<int>(local_batch))) {
    throw Error("no step with " + std::to_string(local_batch) + " samples was recorded");
  }
  if (local_batch != state.local_batch) {
    state.local_batch = local_batch;
    std::vector<double> sizes;
    for (size_t i = state.parameters.size(); i-- > 0;) {
      sizes.push_back(static_cast<double>(state.parameters[i].nbytes()));
    }
    state.ready_s = state.recording().ready_times(sizes);
    state.handling_s.assign(sizes.size(), std::numeric_limits<double>::infinity());
  }
  state.forward_start_s = start + state.recording().load_s;
  state.backward_start_s = state.forward_start_s + state.recording().forward_s;
  sleep_until(state.forward_start_s);
}

torch::Tensor Rehearsal::forward() {
  if (!state_->loss.defined()) state_->build_graph();
  sleep_until(state_->backward_start_s);
  return state_->loss;
}

void Rehearsal::finish_backward() {
  const double end = state_->backward_start_s + state_->recording().backward_s;
  sleep_until(end - kWakeUp);
  while (clock_now() < end) std::this_thread::yield();
}

}  // namespace forerun
