// A profile with every field set, for round trips and schemas.
#pragma once

#include "model/io/profile.h"
#include "model/io/run.h"

namespace forerun {

inline MeasuredConfiguration sample_configuration() {
  MeasuredConfiguration measured;
  measured.at = {.placement = Placement({12}),
                 .local_batch = 8,
                 .accumulation = 2,
                 .strategy = "ddp",
                 .precision = "float32"};
  measured.role = "test";
  measured.warmup_steps = 3;
  measured.relative_half_width = 0.015;
  measured.overhead_relative = 0.001;
  measured.peak_memory_bytes = 1.5e9;
  measured.buckets = {{1048576, 0.01, 0.015, 0.02}, {26214400, 0.08}};
  for (int rank = 0; rank < 2; ++rank) {
    measured.ranks.push_back(
        {.rank = rank,
         .host = "a",
         .load_s = {0, 0.001},
         .forward_s = {0.04, 0.041},
         .backward_s = {0.08, 0.082},
         .exposed_comm_s = {0.01, 0.02},
         .optimizer_s = {0.002, 0.002},
         .step_time_s = {0.132 + rank, 0.146 - 0.01 * rank},
         .taken_s = {0, 0.001},
         .quiet_backward_s = {0.07},
         .quiet_comm_s = {0.03},
         .timeline = {
             {.collective = "broadcast",
              .bucket = -1,
              .size_bytes = 27262976,
              .ready_s = {-0.04},
              .start_s = {-0.03},
              .end_s = {-0.02}},
             {.size_bytes = 1048576, .ready_s = {0.01}, .start_s = {0.012}, .end_s = {0.015}}}});
  }
  measured.gpus = {{.rank = 1,
                    .sm_clock_low_hz = 1.9e9,
                    .sm_clock_high_hz = 1.98e9,
                    .temperature_high_c = 61,
                    .energy_j = 900,
                    .seconds = 2.5,
                    .steps = 30,
                    .allocated_bytes = 1.1e9,
                    .reserved_bytes = 1.2e9,
                    .library_bytes = 3e8,
                    .nccl_bytes = 2e8,
                    .free_at_start_bytes = 8e10,
                    .throttled = {"power limit"},
                    .other_processes = {"python3 (pid 4711, 3.2 GB)"}}};
  measured.optimizer_state_bytes = 46758048;
  measured.communication.exposed_s = {0.015, 0.01, 0.02};
  measured.communication.slows_compute = {1.15, 1.1, 1.2};
  measured.disturbed = measured.ranks;
  return measured;
}

inline Profile sample_profile() {
  Profile profile;
  profile.machine = {.fingerprint = "cpu; Sample 9000 x 12; 1 thread per rank",
                     .device = "cpu",
                     .max_ranks = 12,
                     .threads_per_rank = 1,
                     .memory_per_rank_bytes = 2e9,
                     .label = "emulated",
                     .launch_line = "mpirun -n 12 measure",
                     .clock = "CLOCK_MONOTONIC",
                     .hosts = {{"a", "Sample 9000", 12, 2, 24e9, 32e6}},
                     .libraries = {{"libtorch", "1.13.1 /usr/lib"}, {"blas", "OpenBLAS"}},
                     .nccl = {.version = "2.28.9+cuda13.0",
                              .channels = 24,
                              .transports = {"P2P/CUMEM", "NET/IB/GDRDMA"},
                              .choices = {{"AllReduce", "RING", "SIMPLE", 24, 1048576, 26214400}}}};
  profile.machine.hosts[0].gpus = {{.name = "Sample GPU",
                                    .uuid = "GPU-1",
                                    .pci = "0000:1b:00.0",
                                    .compute_capability = "9.0",
                                    .memory_bytes = 150e9,
                                    .sm_clock_max_hz = 1.98e9,
                                    .power_limit_w = 700,
                                    .numa_node = 1,
                                    .cpus = "0-15",
                                    .mig = true,
                                    .nic = "mlx5_0",
                                    .nic_link = "PIX",
                                    .links = {"X"}}};
  profile.machine.hosts[0].nics = {
      {.name = "mlx5_0", .pci = "0000:18:00.0", .numa_node = 1, .rate_Bps = 50e9}};
  profile.network = {{.collective = "allreduce",
                      .transport = "mpi",
                      .placement = Placement({12}),
                      .size_bytes = 4096,
                      .samples_s = {1.1e-5, 1.2e-5}}};
  profile.pairs = {{"a", "b", 4194304, {0.01, 0.011}}};
  WorkloadProfile workload{.name = "resnet18",
                           .input = "3x224x224",
                           .optimizer = "sgd",
                           .parameters = 11689512,
                           .grad_bytes = 46758048,
                           .flop_per_sample = 5.4e9,
                           .noise_scale = 1200.0,
                           .configurations = {sample_configuration()}};
  MeasuredConfiguration too_large;
  too_large.at.local_batch = 4096;
  too_large.status = "out_of_memory";
  workload.configurations.push_back(too_large);
  profile.workloads = {workload};
  return profile;
}

inline Run sample_run() {
  return {.model = "mnist-cnn",
          .input = "1x28x28",
          .data = "synthetic",
          .optimizer = "sgd",
          .seed = 7,
          .machine = sample_profile().machine,
          .steps = sample_configuration(),
          .loss = {2.3, 1.9},
          .epochs = {{1, 0.3, 2.1, 0.42}, {2, 0.3, 1.8, std::nullopt}}};
}

}  // namespace forerun
