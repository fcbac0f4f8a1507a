#include "measure/launch/launcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "measure/launch/agreement.h"
#include "measure/launch/supervisor.h"
#include "measure/launch/topology.h"

namespace forerun {
namespace {

Launcher detect(const std::map<std::string, const char*>& variables) {
  return detect_launcher([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second;
  });
}

TEST(DetectLauncher, ByWhatEachSets) {
  EXPECT_EQ(detect({}), Launcher::kNone);
  EXPECT_EQ(detect({{"OMPI_COMM_WORLD_RANK", "0"}}), Launcher::kOpenMpi);
  EXPECT_EQ(detect({{"PMI_RANK", "0"}}), Launcher::kMpich);
  EXPECT_EQ(detect({{"SLURM_PROCID", "0"}, {"SLURM_STEP_ID", "0"}}), Launcher::kSlurm);
  EXPECT_EQ(detect({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}}),
            Launcher::kTorchrun);
}

TEST(DetectLauncher, InnerOneWins) {
  EXPECT_EQ(detect({{"SLURM_PROCID", "0"}, {"SLURM_STEP_ID", "0"}, {"OMPI_COMM_WORLD_RANK", "1"}}),
            Launcher::kOpenMpi);
  EXPECT_EQ(detect({{"SLURM_PROCID", "0"}, {"SLURM_STEP_ID", "0"}, {"TORCHELASTIC_RUN_ID", "x"}}),
            Launcher::kTorchrun);
}

TEST(DetectLauncher, ShellInsideAnAllocationIsNoLauncher) {
  EXPECT_EQ(detect({{"SLURM_JOB_ID", "42"}}), Launcher::kNone);
}

TEST(MpiFlavor, ByVersionText) {
  EXPECT_EQ(mpi_flavor("mpirun (Open MPI) 4.1.4\n"), MpiFlavor::kOpenMpi);
  EXPECT_EQ(mpi_flavor("HYDRA build details:\n    Version: 4.0.2\n"), MpiFlavor::kMpich);
  EXPECT_EQ(mpi_flavor("Intel(R) MPI Library for Linux* OS, Version 2021.9\n"), MpiFlavor::kMpich);
  EXPECT_EQ(mpi_flavor("sh: 1: mpirun: not found"), std::nullopt);
}

TEST(MpiFlavor, ByTheLibrarysOwnVersion) {
  EXPECT_EQ(mpi_flavor("Open MPI v4.1.4"), MpiFlavor::kOpenMpi);
  EXPECT_EQ(mpi_flavor("MPICH 4.0.2"), MpiFlavor::kMpich);
}

TEST(LaunchedRanks, AsTheLauncherSays) {
  const auto environment = [](const char* name) -> const char* {
    return std::string(name) == "OMPI_COMM_WORLD_SIZE" ? "4" : nullptr;
  };
  EXPECT_EQ(launched_ranks(Launcher::kOpenMpi, environment), 4);
  EXPECT_EQ(launched_ranks(Launcher::kMpich, environment), 0);
  EXPECT_EQ(launched_ranks(Launcher::kNone, environment), 0);
}

TEST(LaunchCommand, OpenMpi) {
  const MpiLauncherProgram program{"/usr/bin/mpirun", MpiFlavor::kOpenMpi};
  EXPECT_EQ(shell_line(launch_command(program, 2, false, false)),
            "/usr/bin/mpirun -np 2 --bind-to none");
  EXPECT_EQ(shell_line(launch_command(program, 4, true, true)),
            "/usr/bin/mpirun -np 4 --bind-to none --allow-run-as-root --oversubscribe");
}

TEST(LaunchCommand, Mpich) {
  const MpiLauncherProgram program{"/usr/bin/mpiexec", MpiFlavor::kMpich};
  EXPECT_EQ(shell_line(launch_command(program, 3, true, true)),
            "/usr/bin/mpiexec -n 3 -bind-to none");
}

TEST(ShellLine, QuotesWhatAShellWouldSplit) {
  EXPECT_EQ(shell_line({"a", "b c", "it's", ""}), "a 'b c' 'it'\\''s' ''");
}

TEST(ReadLauncherChatter, OpenMpi) {
  const LauncherNews news = read_launcher_chatter(
      "--------\nmpirun noticed that process rank 1 with PID 0 on node n7 exited on signal 9 "
      "(Killed).\n--------\n");
  EXPECT_TRUE(news.rank_lost);
  EXPECT_EQ(news.rank, 1);
  EXPECT_EQ(news.host, "n7");
  EXPECT_EQ(news.signal, "signal 9 (Killed)");
}

TEST(ReadLauncherChatter, Mpich) {
  const LauncherNews news = read_launcher_chatter(
      "=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n"
      "=   KILLED BY SIGNAL: 11 (Segmentation fault)\n");
  EXPECT_TRUE(news.rank_lost);
  EXPECT_EQ(news.signal, "signal 11 (Segmentation fault)");
}

TEST(ReadLauncherChatter, NoNews) { EXPECT_FALSE(read_launcher_chatter("all is well").rank_lost); }

TEST(LoadedFile, HasItsBuildAndItsSize) {
  const auto bytes = std::filesystem::file_size("/proc/self/exe");
  EXPECT_TRUE(loaded_file().ends_with(", " + std::to_string(bytes) + " bytes")) << loaded_file();
  EXPECT_TRUE(loaded_file("/libc.so").starts_with("build ")) << loaded_file("/libc.so");
  EXPECT_NE(loaded_file(), loaded_file("/libc.so"));
  EXPECT_EQ(loaded_file("no such library"), "not loaded");
}

TEST(Topology, CoresAreDistinctAndOurs) {
  const Topology topology = read_topology(Affinity::kHonoured);
  const std::vector<int> mask = current_affinity();
  std::vector<int> cpus = topology.core_cpus;
  ASSERT_FALSE(cpus.empty());
  EXPECT_EQ(static_cast<int>(cpus.size()), topology.host.cores);
  std::sort(cpus.begin(), cpus.end());
  EXPECT_EQ(std::unique(cpus.begin(), cpus.end()), cpus.end());
  for (const int cpu : cpus) EXPECT_NE(std::find(mask.begin(), mask.end(), cpu), mask.end());
  EXPECT_GT(topology.host.memory_bytes, 0);
  EXPECT_LE(topology.memory_limit_bytes, topology.host.memory_bytes);
  EXPECT_FALSE(topology.host.processor.empty());
}

TEST(Topology, PinningNarrowsTheMask) {
  const std::vector<int> before = current_affinity();
  const int last = read_topology(Affinity::kHonoured).core_cpus.back();
  pin_to({last});
  EXPECT_EQ(current_affinity(), std::vector<int>{last});
  EXPECT_EQ(read_topology(Affinity::kHonoured).core_cpus, std::vector<int>{last});
  EXPECT_GE(read_topology(Affinity::kIgnored).host.cores, 1);
  pin_to(before);
}

}  // namespace
}  // namespace forerun
