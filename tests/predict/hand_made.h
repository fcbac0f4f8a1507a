// A workload whose step times follow the formulas exactly, so that tests know the truth.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "model/io/observations.h"
#include "predict/forecast.h"

namespace forerun {

/// 2 ms + 1 ms a sample on one GPU; 100 MB of gradients; NVLink-like inside, 10 Gbit/s between
/// nodes.
inline StepModel<> hand_made_model() {
  StepModel<> m;
  m.network.intra = {Seconds<>(5e-6), SecondsPerByte<>(1e-10)};
  m.network.inter = {Seconds<>(20e-6), SecondsPerByte<>(8e-10)};
  m.spread = 0.01;
  m.compute = {Seconds<>(2e-3), SecondsPerSample<>(1e-3), {}};
  m.grad_bytes = Bytes<>(100e6);
  m.overlap = 2;
  return m;
}

/// "net" on 1 to 8 GPUs of one node, noiseless; strategy and precision as in `as`.
inline std::vector<Observation> hand_made_observations(Configuration as) {
  std::vector<Observation> rows;
  for (const int gpus : {1, 2, 4, 8}) {
    for (const int local : {8, 16, 32}) {
      as.placement = Placement({gpus});
      as.local_batch = local;
      Observation o;
      o.model = "net";
      o.grad_bytes = 100e6;
      o.at = as;
      o.step_time_s = step_time(hand_made_model(), as).total().value();
      rows.push_back(std::move(o));
    }
  }
  return rows;
}

/// Step times of `model` with an interval of +-`half_width` (relative).
inline StepTimes formula_step_times(const StepModel<>& model, double half_width) {
  return [model, half_width](const std::vector<Configuration>& at) {
    std::vector<Prediction> out;
    out.reserve(at.size());
    for (const Configuration& c : at) {
      Prediction p;
      p.parts = step_time(model, c);
      p.step_time = p.parts.total();
      p.low = p.step_time * (1 / (1 + half_width));
      p.high = p.step_time * (1 + half_width);
      p.doublings_beyond = std::max(0.0, std::log2(c.world_size() / 8.0));
      out.push_back(std::move(p));
    }
    return out;
  };
}

/// Measured on up to 8 GPUs, 4 a node, local batches 4 to 64; 16 GB, of which 1 GB is fixed and
/// 0.2 GB a sample goes to activations: at most 75 samples fit.
inline Subject hand_made_subject(double half_width = 0.02) {
  Subject s;
  s.workload.name = "net";
  s.workload.batches_measured = {4, 16, 64};
  s.workload.one_rank_batches = {4, 16, 64};
  s.workload.max_gpus = 8;
  s.workload.max_nodes = 2;
  s.workload.max_gpus_per_node = 4;
  s.workload.memory = MemoryModel{Bytes<>(1e9), BytesPerSample<>(0.2e9), 64};
  s.device = "Test GPU";
  s.max_ranks = 8;
  s.memory_per_rank_bytes = 16e9;
  s.reach = {8, 2};
  s.predict = formula_step_times(hand_made_model(), half_width);
  return s;
}

inline Question hand_made_question(long batch = 128) {
  Question q;
  q.model = "net";
  q.batch = batch;
  return q;
}

/// Refuses every placement with more than `nodes` nodes, otherwise as before.
inline void refuse_beyond(Subject& subject, int nodes) {
  subject.predict = [known = subject.predict, nodes](const std::vector<Configuration>& at) {
    std::vector<Prediction> out = known(at);
    for (size_t i = 0; i < at.size(); ++i) {
      if (at[i].placement.nodes() > nodes) out[i].refused = "nothing was measured between nodes";
    }
    return out;
  };
}

}  // namespace forerun
