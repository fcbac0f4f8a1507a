#include "tests/calib/synthetic.h"

namespace forerun {

std::vector<SyntheticWorkload> synthetic_cluster() {
  StepModel<> model;
  model.network = {.intra = {20_us, SecondsPerByte<>(0.4e-9)},
                   .inter = {80_us, SecondsPerByte<>(1.0e-9)},
                   .nic_sharing = 0.1,
                   .congestion = 0.05,
                   .two_nodes = 0.2};
  model.spread = 0.015;
  StepModel<> large = model;
  large.compute = {.launch = 20_ms, .per_sample = SecondsPerSample<>(4e-3), .shape = {}};
  large.grad_bytes = 100_MB;
  large.buckets = 5;
  large.overlap = 2.5;
  StepModel<> small = model;
  small.compute = {.launch = 8_ms, .per_sample = SecondsPerSample<>(0.5e-3), .shape = {}};
  small.grad_bytes = 40_MB;
  small.buckets = 3;
  small.overlap = 2;
  return {{"large", large, {8, 16, 32, 64}}, {"small", small, {16, 32, 64, 128}}};
}

std::vector<Placement> synthetic_placements() {
  std::vector<Placement> out;
  for (const auto& [nodes, gpus] : std::vector<std::pair<int, int>>{
           {1, 1}, {1, 2}, {1, 4}, {2, 2}, {2, 4}, {2, 8}, {4, 4}, {4, 8}}) {
    out.push_back(Placement::even(nodes, gpus));
  }
  return out;
}

std::vector<Observation> synthetic_rows(const std::vector<SyntheticWorkload>& workloads,
                                        const std::vector<Placement>& placements,
                                        double relative_noise, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> noise(0, relative_noise);
  std::vector<Observation> rows;
  for (const SyntheticWorkload& w : workloads) {
    for (const Placement& placement : placements) {
      for (const int batch : w.batches) {
        Observation o;
        o.model = w.name;
        o.at = {.placement = placement, .local_batch = batch};
        o.step_time_s = step_time(w.model, o.at).total().value() * std::exp(noise(generator));
        if (w.tell_bytes) o.grad_bytes = w.model.grad_bytes.value();
        rows.push_back(o);
      }
    }
  }
  return rows;
}

}  // namespace forerun
