#include "predict/launch.h"

#include <gtest/gtest.h>

#include "tests/predict/hand_made.h"

namespace forerun {
namespace {

Configuration on(std::vector<int> ranks_per_node) {
  Configuration at;
  at.placement = Placement(std::move(ranks_per_node));
  return at;
}

constexpr Launcher kTorchrun = {Launcher::Kind::kTorchrun};
constexpr Launcher kMpirun = {Launcher::Kind::kMpirun};
constexpr Launcher kSrun = {Launcher::Kind::kSrun};

TEST(LaunchLine, TorchrunOnOneNode) {
  EXPECT_EQ(launch_line(on({4}), hand_made_subject(), "train.py", kTorchrun),
            "torchrun --nnodes 1 --nproc-per-node 4 --standalone train.py");
}

TEST(LaunchLine, TorchrunOnTwoNodesMeetsAtTheHead) {
  EXPECT_EQ(launch_line(on({4, 4}), hand_made_subject(), "train.py", kTorchrun),
            "torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-id forerun "
            "--rdzv-endpoint $HEAD_NODE:29500 train.py");
}

TEST(LaunchLine, UnequalNodesNeedMpirun) {
  EXPECT_EQ(launch_line(on({4, 2}), hand_made_subject(), "train.py", kTorchrun),
            "mpirun -n 6 --hostfile hosts --map-by ppr:4:node python3 train.py");
}

TEST(LaunchLine, CpuRanksKeepTheirCores) {
  Subject cpu = hand_made_subject();
  cpu.device = "cpu";
  cpu.threads_per_rank = 2;
  EXPECT_EQ(launch_line(on({2}), cpu, "./train", kMpirun),
            "mpirun -n 2 --map-by ppr:2:node:PE=2 --bind-to core -x OMP_NUM_THREADS=2 ./train");
}

TEST(LaunchLine, SlurmKnowsTheNodes) {
  EXPECT_EQ(launch_line(on({4, 4}), hand_made_subject(), "train.py", kSrun),
            "srun --nodes 2 --ntasks 8 --ntasks-per-node 4 --gpus-per-node 4 python3 train.py");
}

TEST(LauncherDetect, FollowsSlurmThenTheDevice) {
  Subject s = hand_made_subject();
  unsetenv("SLURM_JOB_ID");
  EXPECT_EQ(Launcher::detect(s).kind, Launcher::Kind::kTorchrun);
  s.device = "cpu";
  EXPECT_EQ(Launcher::detect(s).kind, Launcher::Kind::kMpirun);
  setenv("SLURM_JOB_ID", "17", 1);
  EXPECT_EQ(Launcher::detect(s).kind, Launcher::Kind::kSrun);
  unsetenv("SLURM_JOB_ID");
}

}  // namespace
}  // namespace forerun
