// A store on disk: a machine measured and checked, all of it made from one formula.
#pragma once

#include <cmath>
#include <filesystem>

#include "model/io/profile.h"
#include "model/io/run.h"

namespace forerun::report_example {

inline Machine small_machine() {
  Machine m;
  m.fingerprint = "cpu/Example 9000/4/1";
  m.device = "cpu";
  m.max_ranks = 4;
  m.launch_line = "mpirun -np 4 measure --model resnet18";
  m.hosts = {{"node1", "Example 9000 <fast & cool>", 4, 1, 64e9, 32e6}};
  m.libraries = {{"blas", "OpenBLAS 0.3.21"}};
  return m;
}

/// 0.5 ms + 1 ms a sample, and an all-reduce of 44.7 MB of which 60 % shows.
inline MeasuredConfiguration measured(int ranks, int local_batch, const std::string& role) {
  MeasuredConfiguration m;
  m.at.placement = Placement::even(1, ranks);
  m.at.local_batch = local_batch;
  m.role = role;
  const double compute = 5e-4 + 1e-3 * local_batch;
  const double exposed = ranks == 1 ? 0 : 0.6 * 44.7e6 / 5e9 * 2 * (ranks - 1) / ranks;
  for (int rank = 0; rank < ranks; ++rank) {
    RankSteps steps;
    steps.rank = rank;
    steps.host = "node1";
    for (int i = 0; i < 20; ++i) {
      const double wobble = 1 + 0.01 * std::sin(7.0 * i + rank + local_batch);
      steps.load_s.push_back(0);
      steps.forward_s.push_back(0.33 * compute * wobble);
      steps.backward_s.push_back(0.66 * compute * wobble);
      steps.exposed_comm_s.push_back(exposed * wobble);
      steps.optimizer_s.push_back(0.01 * compute);
      steps.step_time_s.push_back((compute + exposed) * wobble);
    }
    m.ranks.push_back(steps);
  }
  return m;
}

inline Profile small_profile() {
  Profile profile;
  profile.machine = small_machine();
  WorkloadProfile workload;
  workload.name = "resnet18";
  workload.parameters = 11689512;
  workload.grad_bytes = 4 * workload.parameters;
  for (const int ranks : {1, 2, 4}) {
    for (const int batch : {8, 32}) {
      workload.configurations.push_back(measured(ranks, batch, "fit"));
    }
    for (double size = 4096; ranks > 1 && size < 1e9; size *= 16) {
      const double time = 5e-6 * ranks + size / 5e9 * 2 * (ranks - 1) / ranks;
      profile.network.push_back({"allreduce",
                                 "mpi",
                                 Placement::even(1, ranks),
                                 size,
                                 {time, 1.02 * time, 0.99 * time, 1.05 * time, 1.01 * time}});
    }
  }
  profile.workloads = {workload};
  return profile;
}

inline Run check_run(int ranks, int local_batch) {
  Run run;
  run.model = "resnet18";
  run.data = "synthetic";
  run.machine = small_machine();
  run.steps = measured(ranks, local_batch, "test");
  return run;
}

/// Profile, and six runs of configurations that were not measured.
inline void write_store(const std::filesystem::path& folder) {
  save_profile(folder / "profile.json", small_profile());
  for (const int ranks : {1, 2, 4}) {
    for (const int batch : {16, 24}) {
      save_run(folder / "runs" / (std::to_string(ranks) + "x" + std::to_string(batch) + ".json"),
               check_run(ranks, batch));
    }
  }
}

}  // namespace forerun::report_example
