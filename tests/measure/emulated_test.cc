// One machine as a cluster, and rehearsals: the real programs, as a user starts them.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <set>

#include "measure/recording.h"
#include "model/io/calibration.h"
#include "model/io/profile.h"
#include "model/io/run.h"
#include "model/statistics.h"
#include "tests/measure/program.h"

namespace forerun {
namespace {

const std::string kCluster = FORERUN_SOURCE_DIR "/examples/emulated-cluster.sh";
const std::string kMeasure = FORERUN_BIN_DIR "/measure";

/// A shell command with all that it said.
struct Said {
  int exit_code = -1;
  std::string text;
};
Said shell(const std::string& command) {
  const TemporaryFolder folder;
  const std::string out = folder.path() / "out";
  const int status = std::system(("(" + command + ") >" + out + " 2>&1 </dev/null").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(out)};
}

/// Skips where the machine cannot emulate a cluster, saying why. The cluster's name is this
/// process's own.
class EmulatedCluster : public testing::Test {
 protected:
  void SetUp() override {
    const Said said = shell(kCluster + " check");
    if (said.exit_code != 0) GTEST_SKIP() << said.text;
  }
  void TearDown() override { shell(kCluster + " down --name " + name_); }

  std::string run(const std::string& options) const {
    return kCluster + " run --name " + name_ + " " + options + " -- ";
  }
  /// What `report` says of four hosts that measured for a few seconds.
  std::string report_of(const std::string& options) const {
    const TemporaryFolder folder;
    const std::string store = " --store " + folder.path().string(), bin = FORERUN_BIN_DIR;
    const Said said =
        shell(run("--hosts 4 " + options) + kMeasure +
              " --model mnist-cnn --local-batch 16 --world-sizes 4 --budget 12s" + store + " && " +
              bin + "/calibrate" + store + " && " + bin + "/report" + store);
    EXPECT_EQ(said.exit_code, 0) << said.text;
    return said.text;
  }
  /// Network namespaces of the cluster that exist now.
  long namespaces() const {
    const std::string list = shell("ip netns list").text;
    long found = 0;
    for (size_t at = list.find(name_); at != list.npos; at = list.find(name_, at + 1)) ++found;
    return found;
  }

  const std::string name_ = "t" + std::to_string(::getpid());
};

TEST_F(EmulatedCluster, HostsHaveNamesAndReachEachOther) {
  const Said said = shell(run("--hosts 3") + "sh -c 'hostname'");
  ASSERT_EQ(said.exit_code, 0) << said.text;
  for (int h = 1; h <= 3; ++h) {
    EXPECT_TRUE(holds(said.text, name_ + "-" + std::to_string(h))) << said.text;
  }
  EXPECT_EQ(namespaces(), 0);
}

TEST_F(EmulatedCluster, CommandsExitCodeIsOurs) {
  EXPECT_EQ(shell(run("--hosts 2") + "sh -c 'exit 3'").exit_code, 3);
  EXPECT_EQ(shell(run("--hosts 0") + "true").exit_code, 2);
  EXPECT_EQ(shell(run("--slow-host 9") + "true").exit_code, 2);
  EXPECT_EQ(namespaces(), 0);
}

TEST_F(EmulatedCluster, StaysBetweenUpAndDown) {
  ASSERT_EQ(shell(kCluster + " up --hosts 2 --quota 0.5 --slow-link 2 --name " + name_).exit_code,
            0);
  EXPECT_EQ(namespaces(), 3);
  EXPECT_TRUE(holds(shell("tc -n " + name_ + "-2 qdisc show dev eth0").text, "200Mbit"));
  EXPECT_EQ(shell(kCluster + " run --name " + name_ + " -- true").exit_code, 0);
  EXPECT_EQ(namespaces(), 3);
  EXPECT_EQ(shell(kCluster + " down --name " + name_).exit_code, 0);
  EXPECT_EQ(shell(kCluster + " down --name " + name_).exit_code, 0);
  EXPECT_EQ(namespaces(), 0);
  EXPECT_EQ(shell("ls -d /sys/fs/cgroup/cpu/" + name_ + "-* /sys/fs/cgroup/" + name_ + "-*")
                .text.find("/" + name_ + "-1\n"),
            std::string::npos);
}

TEST_F(EmulatedCluster, LeavesNothingWhenItIsKilled) {
  for (const int signal : {SIGTERM, SIGKILL}) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::execl("/bin/sh", "sh", "-c",
              ("exec " + run("--hosts 2") + "sleep 60 >/dev/null 2>&1").c_str(), nullptr);
      ::_exit(127);
    }
    EXPECT_TRUE(Program::eventually([&] { return namespaces() == 3; }));
    ::kill(pid, signal);
    ::waitpid(pid, nullptr, 0);
    EXPECT_TRUE(Program::eventually([&] { return namespaces() == 0; })) << "signal " << signal;
  }
}

TEST_F(EmulatedCluster, MeasureFindsBothLevels) {
  const TemporaryFolder folder;
  const Said said =
      shell(run("--hosts 2 --ranks-per-host 2") + kMeasure +
            " --model mnist-cnn --local-batch 4 --budget 8s --store " + folder.path().string());
  ASSERT_EQ(said.exit_code, 0) << said.text;
  const Profile profile = load_profile(folder.path() / "profile.json");
  EXPECT_TRUE(profile.machine.label.starts_with("emulated: 400mbit links"))
      << profile.machine.label;
  EXPECT_TRUE(holds(profile.machine.fingerprint, "emulated"));
  EXPECT_EQ(profile.machine.hosts.size(), 2u);
  EXPECT_EQ(profile.machine.max_ranks, 4);
  std::set<std::string> placements;
  for (const SweepPoint& point : profile.network) placements.insert(point.placement.text());
  EXPECT_TRUE(placements.contains("2") && placements.contains("2+2"));

  const Said fitted =
      shell(std::string(FORERUN_BIN_DIR) + "/calibrate --store " + folder.path().string());
  ASSERT_EQ(fitted.exit_code, 0) << fitted.text;
  EXPECT_TRUE(holds(fitted.text, "emulated")) << fitted.text;
  const Calibration calibration = load_calibration(folder.path() / "calibration.json");
  ASSERT_EQ(calibration.networks.size(), 1u);
  EXPECT_TRUE(calibration.networks[0].intra_measured);
  EXPECT_TRUE(calibration.networks[0].inter_measured);
}

TEST_F(EmulatedCluster, StoppedRankOfAnotherHostIsNamed) {
  const TemporaryFolder folder;
  const std::string store = folder.path();
  Program job(kCluster,
              {"run", "--name", name_, "--hosts", "2", "--", kMeasure, "--model", "mnist-cnn",
               "--local-batch", "16", "--budget", "10m", "--timeout", "3s", "--store", store});
  const auto ranks = [&] {
    return rank_processes([&](pid_t pid) {
      return holds(slurp("/proc/" + std::to_string(pid) + "/cmdline"), store);
    });
  };
  ASSERT_TRUE(Program::eventually([&] {
    return std::filesystem::exists(store + "/profile.json") &&
           !load_profile(store + "/profile.json").network.empty() && ranks().size() == 2;
  })) << job.err_so_far();
  ::kill(ranks().at(1), SIGSTOP);
  const Finished done = job.wait();
  EXPECT_EQ(done.exit_code, 1) << done.err;
  EXPECT_EQ(count(done.err, "measure: rank "), 1) << done.err;
  EXPECT_TRUE(holds(done.err, "measure: rank 1 on host " + name_ +
                                  "-2: no progress for 3.00 s: it does not answer; its process is "
                                  "stopped, or its host is gone (while "))
      << done.err;
  EXPECT_TRUE(holds(done.err, "(while sweeping allreduce of ") ||
              holds(done.err, "(while training mnist-cnn, 2 ranks x 16)"))
      << done.err;
  EXPECT_TRUE(Program::eventually([&] { return ranks().empty() && namespaces() == 0; }));
}

TEST_F(EmulatedCluster, ReportNamesTheSlowHost) {
  const std::string said = report_of("--slow-host 2 --quota 0.4");
  EXPECT_TRUE(holds(said, "Straggler: host " + name_ + "-2 computes ")) << said;
  EXPECT_EQ(count(said, "Straggler: "), 1) << said;
}

TEST_F(EmulatedCluster, ReportNamesTheSlowLink) {
  const std::string said = report_of("--slow-link 3");
  EXPECT_TRUE(holds(said, "Slow link: transfers to and from host " + name_ + "-3 take ")) << said;
  EXPECT_EQ(count(said, "Slow link: "), 1) << said;
}

/// Real steps of mnist-cnn on one rank, measured once.
class Rehearsal : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    recorded_ = std::make_unique<TemporaryFolder>();
    const Finished real =
        run_measure({"--model", "mnist-cnn", "--local-batch", "8", "--world-sizes", "1", "--budget",
                     "4s", "--store", recorded_->path()});
    ASSERT_EQ(real.exit_code, 0) << real.err;
  }
  static void TearDownTestSuite() { recorded_.reset(); }

  static std::string profile() { return recorded_->path() / "profile.json"; }

  const TemporaryFolder folder_;
  const std::string store_ = folder_.path();

 private:
  static std::unique_ptr<TemporaryFolder> recorded_;
};
std::unique_ptr<TemporaryFolder> Rehearsal::recorded_;

TEST_F(Rehearsal, WaitsForTheRecordedStepAndSaysSo) {
  const Finished done =
      run_measure({"--compute", "recorded", "--compute-scale", "2", "--recorded", profile(),
                   "--world-sizes", "1", "--budget", "5s", "--store", store_});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_TRUE(holds(done.err, "recorded compute x 2")) << done.err;
  const Profile real = load_profile(profile());
  const Profile rehearsed = load_profile(folder_.path() / "recorded" / "profile.json");
  EXPECT_EQ(real.machine.label, "");
  EXPECT_EQ(rehearsed.machine.label, "recorded compute x 2");
  ASSERT_EQ(rehearsed.workloads.size(), 1u);
  const MeasuredConfiguration& was = real.workloads[0].configurations.at(0);
  const MeasuredConfiguration& is = rehearsed.workloads[0].configurations.at(0);
  EXPECT_EQ(is.at, was.at);
  // A wait is never shorter than asked for. How little longer it is, tests/bench/ shows: here other
  // programs may hold the processor.
  const Recording asked = read_recordings(profile(), real, "mnist-cnn", real.workloads[0].input,
                                          {8}, {profile(), 2, false})
                              .at(8);
  const double asked_s = asked.load_s + asked.forward_s + asked.backward_s;
  const RankSteps& rank = is.ranks.at(0);
  std::vector<double> waited_s;
  for (size_t i = 0; i < rank.step_time_s.size(); ++i) {
    waited_s.push_back(rank.load_s[i] + rank.forward_s[i] + rank.backward_s[i]);
    EXPECT_GE(waited_s.back(), asked_s - 1e-9);
  }
  EXPECT_LE(median(waited_s), 1.1 * asked_s + 2e-3);
  ASSERT_EQ(is.buckets.size(), was.buckets.size());
  for (size_t b = 0; b < is.buckets.size(); ++b) {
    EXPECT_EQ(is.buckets[b].size_bytes, was.buckets[b].size_bytes);
  }
}

TEST_F(Rehearsal, RunsRealAllReducesOnManyRanks) {
  const Finished done =
      run_measure({"train", "--model", "mnist-cnn", "--compute", "recorded", "--recorded-optimizer",
                   "--recorded", profile(), "--local-batch", "8", "--world-size", "2", "--steps",
                   "6", "--oversubscribe", "--store", store_});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  int runs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "recorded/runs")) {
    ++runs;
    const forerun::Run run = load_run(entry.path());
    EXPECT_TRUE(holds(run.machine.label, "recorded compute and optimizer")) << run.machine.label;
    ASSERT_FALSE(run.steps.buckets.empty());
    for (const BucketReady& bucket : run.steps.buckets) {
      EXPECT_GE(bucket.start_s, bucket.ready_s);
      EXPECT_GT(bucket.end_s, bucket.start_s);
    }
  }
  EXPECT_EQ(runs, 1);
}

TEST_F(Rehearsal, RefusesWhatWasNotRecorded) {
  const auto said = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--world-sizes", "1", "--store", store_});
    const Finished done = run_measure(arguments);
    return std::to_string(done.exit_code) + " " + done.err;
  };
  EXPECT_TRUE(holds(said({"--compute", "recorded", "--model", "mnist-cnn", "--recorded", profile(),
                          "--local-batch", "16"}),
                    "3 measure: " + profile() + ": holds no steps of mnist-cnn"));
  EXPECT_TRUE(holds(said({"--compute", "recorded"}), "1 measure: " + store_ + "/profile.json"));
  EXPECT_TRUE(holds(said({"--compute", "imagined"}), "2 measure: --compute \"imagined\""));
  EXPECT_TRUE(holds(said({"--compute-scale", "0.5"}), "2 measure: "));
  EXPECT_TRUE(holds(said({"--compute", "recorded", "--compute-scale", "0"}), "2 measure: "));
  EXPECT_TRUE(holds(said({"--compute", "recorded", "--strategy", "dataparallel"}), "2 measure: "));
}

}  // namespace
}  // namespace forerun
