// Training without computing: forward and backward are waits, all else is real. The processor stays
// free meanwhile, as it does while a GPU computes.
#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

#include "measure/recording.h"

namespace forerun {

/// Stands in for a network's forward and backward pass. Gradients arrive at the parameters through
/// autograd, so hooks run as they would; they are zero. Calls in the order of a step.
class Rehearsal {
 public:
  Rehearsal(std::vector<torch::Tensor> parameters, Recordings recordings);
  ~Rehearsal();
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  /// Waits as long as loading `local_batch` samples took. Throws Error if they were not recorded.
  void load(int64_t local_batch);
  /// Waits, and returns a loss whose backward() delivers each gradient when it was recorded.
  torch::Tensor forward();
  /// What the recorded backward pass did after its last gradient.
  void finish_backward();

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace forerun
