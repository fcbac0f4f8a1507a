// Hand-made reports: a machine with two ranks, and a cluster with sixteen.
#pragma once

#include <cmath>

#include "predict/report/report_data.h"

namespace forerun::report_example {

/// T(N, b) = (4 + 0.9 b) ms of compute, 1 % waiting, and an all-reduce that backward hides in part.
inline Prediction predict(const Configuration& at, double half_width = 0.05) {
  const int n = at.world_size();
  Prediction p;
  p.parts.optimizer = Seconds<>(1e-3);
  p.parts.compute = Seconds<>((3 + 0.9 * at.local_batch) * 1e-3);
  p.parts.waiting = p.parts.compute * (0.02 * std::log2(n));
  p.parts.exposed_communication = Seconds<>(n == 1 ? 0 : 6e-3 * (n - 1) / n + 0.4e-3 * n);
  p.step_time = p.parts.total();
  const double widening = 1 + 0.3 * std::log2(n);
  p.low = p.step_time * (1 - half_width * widening);
  p.high = p.step_time * (1 + half_width * widening);
  return p;
}

inline Machine machine() {
  Machine m;
  m.fingerprint = "cpu/Example 9000/16/1";
  m.device = "cpu";
  m.max_ranks = 16;
  m.launch_line = "mpirun -np 16 measure --model resnet18";
  m.clock = "steady_clock";
  m.hosts = {{"node1", "Example 9000 <fast & cool>", 16, 1, 64e9, 32e6}};
  m.libraries = {{"blas", "OpenBLAS 0.3.21"}, {"mpi", "Open MPI 4.1.4"}};
  return m;
}

inline RunCheck compare(const std::string& model, int world_size, int local_batch,
                        double relative_error) {
  RunCheck c;
  c.model = model;
  c.at.placement = Placement::even(1, world_size);
  c.at.local_batch = local_batch;
  c.steps = 50;
  c.predicted = predict(c.at);
  c.observed_s = c.predicted.step_time.value() / (1 + relative_error);
  c.observed_p10_s = 0.98 * c.observed_s;
  c.observed_p90_s = 1.04 * c.observed_s;
  return c;
}

inline WorkloadScaling scaling(const std::string& model, const std::vector<int>& sizes,
                               const std::vector<long>& batches) {
  WorkloadScaling out{model, {}, {}};
  for (const long batch : batches) {
    BatchScaling one;
    one.batch = batch;
    for (const int n : sizes) {
      if (batch % n != 0) continue;
      Configuration at;
      at.placement = Placement::even(1, n);
      at.local_batch = static_cast<int>(batch / n);
      one.points.push_back({at, predict(at)});
      const double wobble = 1 + 0.03 * std::sin(static_cast<double>(batch + n));
      one.observed.push_back({n, predict(at).step_time.value() * wobble, batch != 64 || n > 1});
    }
    out.strong.push_back(one);
  }
  return out;
}

inline AllreduceCurve allreduce(int ranks) {
  AllreduceCurve curve;
  curve.placement = Placement::even(1, ranks);
  for (double size = 4096; size <= 268435456; size *= 4) {
    const double time = 2e-6 * ranks + size / 5e9 * 2 * (ranks - 1) / ranks;
    curve.fitted.push_back({size, time, 0, 0});
    const double seen = time * (1 + 0.1 * std::sin(size + ranks));
    curve.measured.push_back({size, seen, seen * 0.95, seen * 1.2});
  }
  return curve;
}

/// `sizes`: world sizes of the machine. Errors of the runs go round through -4 % to +12 %.
inline ReportData report(const std::vector<int>& sizes) {
  ReportData data;
  data.machine = machine();
  data.date = "2026-01-02 03:04 UTC";
  data.commands = {"mpirun -np 16 measure --model resnet18", "report"};
  data.reach = {sizes.back(), 1};
  const double errors[] = {0.01, -0.04, 0.02, 0.12, -0.015, 0.03};
  size_t i = 0;
  for (const char* model : {"densenet121", "mnist-cnn", "resnet18"}) {
    for (const int n : sizes) {
      for (const int batch : {16, 48}) {
        RunCheck c = compare(model, n, batch, errors[i++ % 6]);
        c.naive_s["ideal"] = predict({Placement(), batch}).step_time.value();
        c.naive_s["carry_forward"] = c.observed_s * 1.2;
        c.naive_s["linear"] = c.observed_s * 0.9;
        data.checks.push_back(c);
      }
    }
    data.scaling.push_back(scaling(model, sizes, {32, 64, 128, 256}));
    for (const long batch : {8L, 16L, 32L, 64L, 128L, 256L}) {
      int best = 1;
      for (const int n : sizes) {
        if (batch / n >= (model[0] == 'm' ? 16 : 4)) best = n;
      }
      data.recommended.push_back({model, batch, best});
    }
  }
  for (const int n : sizes) {
    if (n > 1) data.allreduce.push_back(allreduce(n));
  }
  return data;
}

}  // namespace forerun::report_example
