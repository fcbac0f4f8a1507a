// What goes wrong before and while many ranks work: one sentence, the right exit code, nothing
// left.

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "measure/clock.h"
#include "model/io/profile.h"
#include "tests/measure/program.h"

namespace forerun {
namespace {

const std::string kMeasure = FORERUN_BIN_DIR "/measure";

/// Under the user's own launcher: `arguments` as after mpirun.
Finished run_mpirun(std::vector<std::string> arguments) {
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  arguments.insert(arguments.begin(), {"--oversubscribe", "--bind-to", "none"});
  return Program("mpirun", arguments).wait();
}

TEST(Faults, FewerRanksThanAskedIsSaid) {
  const TemporaryFolder folder;
  const Finished done =
      run_mpirun({"-np", "1", kMeasure, "--model", "mnist-cnn", "--world-sizes", "2", "--batch",
                  "8", "--budget", "20s", "--store", folder.path()});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_TRUE(
      holds(done.err, ": world size 2 needs as many ranks (1 were started) (while starting)"))
      << done.err;
  EXPECT_EQ(count(done.err, "measure: rank 0 on host "), 1) << done.err;
}

TEST(Faults, RanksWithDifferentModelsAreNamed) {
  const TemporaryFolder folder;
  const auto rank = [&](const std::string& model) {
    return std::vector<std::string>{
        "-np", "1",        kMeasure, "--model",         model,     "--batch",
        "8",   "--budget", "20s",    "--oversubscribe", "--store", folder.path()};
  };
  std::vector<std::string> both = rank("mnist-cnn");
  both.emplace_back(":");
  for (const std::string& word : rank("cifar-cnn")) both.push_back(word);
  const Finished done = run_mpirun(both);
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(count(done.err, "was started as `measure --model cifar-cnn"), 1) << done.err;
  EXPECT_TRUE(holds(done.err, ": rank 1 on host ")) << done.err;
  EXPECT_TRUE(holds(done.err, "(while starting)")) << done.err;
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "profile.json"));
}

TEST(Faults, RanksOfDifferentBuildsAreNamed) {
  const TemporaryFolder folder;
  const std::string other = folder.path() / "measure";
  std::filesystem::copy_file(kMeasure, other);
  std::ofstream(other, std::ios::app) << "a later build";
  const Finished done = run_mpirun(
      {"-np", "1", kMeasure, "--budget", "20s", ":", "-np", "1", other, "--budget", "20s"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(count(done.err, "runs another build of measure (build "), 1) << done.err;
  EXPECT_TRUE(holds(done.err, ": rank 1 on host ")) << done.err;
  EXPECT_TRUE(holds(done.err, "(while starting)")) << done.err;
}

// The folder is there for rank 0 and not for rank 1.
TEST(Faults, ARankThatThrowsEndsTheJobAndIsNamed) {
  const TemporaryFolder folder;
  const std::string examples = FORERUN_SOURCE_DIR "/examples/data";
  const std::vector<std::string> train = {
      "--oversubscribe", "--store", folder.path(), "--steps", "1000", "--batch", "8"};
  const auto rank = [&](const std::string& working_folder) {
    std::vector<std::string> command = {"-np",   "1",       "-wdir",     working_folder, kMeasure,
                                        "train", "--model", "mnist-cnn", "--data",       "digits"};
    command.insert(command.end(), train.begin(), train.end());
    return command;
  };
  std::vector<std::string> both = rank(examples);
  both.emplace_back(":");
  for (const std::string& word : rank(folder.path())) both.push_back(word);
  const Finished done = run_mpirun(both);
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(count(done.err, "measure: rank 1 on host "), 1) << done.err;
  EXPECT_TRUE(holds(done.err, "digits")) << done.err;
  EXPECT_TRUE(holds(done.err, "(while starting)")) << done.err;
}

/// A file system with room for so many bytes; nothing where it cannot be made.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& bytes) {
    made_ = ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, ("size=" + bytes).c_str()) == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (made_) ::umount(folder_.path().c_str());
  }
  bool made() const { return made_; }
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
  bool made_ = false;
};

TEST(Faults, AFullDiskKeepsTheProfileThatWasThere) {
  const SmallDisk disk("24k");
  if (!disk.made()) GTEST_SKIP() << "mounting a small file system needs root";
  const Finished done =
      run_measure({"--model", "mnist-cnn", "--local-batch", "4,8,16", "--world-sizes", "1",
                   "--budget", "30s", "--store", disk.path()});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(count(done.err, "No space left on device"), 1) << done.err;
  EXPECT_TRUE(holds(done.err, "measure: rank 0 on host ")) << done.err;
  EXPECT_TRUE(holds(done.err, "(while training mnist-cnn, 1 rank x ")) << done.err;
  load_profile(disk.path() / "profile.json");  // as it was before, and whole
  for (const auto& entry : std::filesystem::directory_iterator(disk.path())) {
    EXPECT_EQ(entry.path().filename(), "profile.json");
  }
}

/// What RunningJob does when a fault hits it.
bool names_the_phase(const std::string& said) {
  return holds(said, "while sweeping allreduce of ") ||
         holds(said, "while training mnist-cnn, 2 ranks x ");
}

/// A measurement that would go on for long, with its ranks at work and one of its two
/// configurations on disk: steps of the other one take longer.
class RunningJob {
 public:
  explicit RunningJob(const std::vector<std::string>& extra = {}) {
    program_ = std::make_unique<Program>(command("60s", extra));
    started_ = Program::eventually([&] {
      if (!std::filesystem::exists(profile_path())) return false;
      ranks_ = program_->ranks();
      kept_ = most_kept_steps();
      return ranks_.size() == 2 && kept_ > 0;
    });
  }

  bool started() const { return started_; }
  Program& program() { return *program_; }
  pid_t rank(int r) const { return ranks_.at(r); }
  /// Nothing of the job is left, and the profile is whole, with all steps that it had.
  void expect_clean_end() const {
    for (const pid_t pid : ranks_) {
      EXPECT_TRUE(Program::eventually([&] { return !alive(pid); })) << "process " << pid;
    }
    EXPECT_GE(most_kept_steps(), kept_);
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      EXPECT_EQ(entry.path().filename(), "profile.json");
    }
  }
  void expect_continuation() const {
    const Finished next = run_measure(command("10s", {}));
    EXPECT_EQ(next.exit_code, 0) << next.err;
    EXPECT_TRUE(holds(next.err, "measure: continuing ")) << next.err;
    EXPECT_GE(most_kept_steps(), kept_);
  }

 private:
  std::filesystem::path profile_path() const { return folder_.path() / "profile.json"; }

  std::vector<std::string> command(const std::string& budget,
                                   const std::vector<std::string>& extra) const {
    std::vector<std::string> words = {"--model",       "mnist-cnn", "--local-batch",   "16,256",
                                      "--world-sizes", "2",         "--oversubscribe", "--budget",
                                      budget,          "--store",   folder_.path()};
    words.insert(words.end(), extra.begin(), extra.end());
    return words;
  }

  /// Of a configuration in the profile.
  size_t most_kept_steps() const {
    const Profile profile = load_profile(profile_path());
    const WorkloadProfile* cnn = profile.find("mnist-cnn");
    size_t most = 0;
    if (cnn == nullptr) return most;
    for (const MeasuredConfiguration& c : cnn->configurations) {
      most = std::max(most, kept_steps(c));
    }
    return most;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Program> program_;
  std::vector<pid_t> ranks_;
  size_t kept_ = 0;
  bool started_ = false;
};

TEST(Faults, KilledRankIsNamed) {
  RunningJob job;
  ASSERT_TRUE(job.started()) << job.program().err_so_far();
  ::kill(job.rank(1), SIGKILL);
  const Finished done = job.program().wait();
  EXPECT_EQ(done.exit_code, 1);
  const std::string said = sentence(done.err, "was ended by");
  EXPECT_TRUE(holds(said, "rank 1 on host ")) << said;
  EXPECT_TRUE(holds(said, "signal 9")) << said;
  EXPECT_TRUE(names_the_phase(said)) << said;
  job.expect_clean_end();
  job.expect_continuation();
}

TEST(Faults, StoppedRankEndsTheJobAfterTheTimeout) {
  RunningJob job({"--timeout", "3s"});
  ASSERT_TRUE(job.started()) << job.program().err_so_far();
  const double start = clock_now();
  ::kill(job.rank(1), SIGSTOP);
  const Finished done = job.program().wait();
  EXPECT_LT(clock_now() - start, 3 + 60);  // the block under way has more time, see Job::enter()
  EXPECT_EQ(done.exit_code, 1);
  const std::string said = sentence(done.err, "no progress for 3.00 s");
  EXPECT_TRUE(holds(said, "measure: rank 1 on host ")) << said;
  EXPECT_TRUE(holds(said, ": its process is stopped (while ")) << said;
  EXPECT_TRUE(names_the_phase(said)) << said;
  EXPECT_EQ(count(done.err, "measure: rank "), 1) << done.err;
  job.expect_clean_end();
  job.expect_continuation();
}

TEST(Faults, InterruptKeepsWhatWasMeasured) {
  RunningJob job;
  ASSERT_TRUE(job.started()) << job.program().err_so_far();
  job.program().signal(SIGINT);
  const Finished done = job.program().wait();
  EXPECT_EQ(done.exit_code, 1);
  const std::string said = sentence(done.err, "what was measured is kept");
  EXPECT_TRUE(said.starts_with("measure: stopping while ")) << said;
  EXPECT_TRUE(names_the_phase(said)) << said;
  EXPECT_TRUE(holds(done.out, "Stopped early")) << done.out << done.err;
  EXPECT_FALSE(holds(done.err, "Forwarding signal")) << done.err;
  job.expect_clean_end();
  job.expect_continuation();
}

TEST(Faults, KilledParentTakesTheRanksAlong) {
  RunningJob job;
  ASSERT_TRUE(job.started()) << job.program().err_so_far();
  job.program().signal(SIGKILL);
  job.program().wait();
  job.expect_clean_end();
}

}  // namespace
}  // namespace forerun
