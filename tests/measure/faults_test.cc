// What goes wrong before and while many ranks work: one sentence, the right exit code, nothing
// left.

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <utility>

#include "measure/clock.h"
#include "model/io/profile.h"
#include "tests/measure/program.h"

namespace forerun {
namespace {

const std::string kMeasure = FORERUN_BIN_DIR "/measure";

/// Under the user's own launcher: `arguments` as after mpirun.
std::unique_ptr<Program> start_mpirun(std::vector<std::string> arguments) {
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  arguments.insert(arguments.begin(), {"--oversubscribe", "--bind-to", "none"});
  return std::make_unique<Program>("mpirun", arguments);
}

Finished run_mpirun(const std::vector<std::string>& arguments) {
  return start_mpirun(arguments)->wait();
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

using Start = std::function<std::unique_ptr<Program>(const std::vector<std::string>& arguments)>;

/// A measurement that would go on for long, with its ranks at work and one of its
/// configurations on disk: steps of the others take longer.
class RunningJob {
 public:
  explicit RunningJob(const std::vector<std::string>& extra = {})
      : RunningJob("mnist-cnn", "16,256", extra, [](const std::vector<std::string>& arguments) {
          return std::make_unique<Program>(arguments);
        }) {}
  RunningJob(const std::string& model, const std::string& local_batches,
             const std::vector<std::string>& extra, Start start)
      : model_(model), local_batches_(local_batches), start_(std::move(start)) {
    program_ = start_(command("60s", extra));
    started_ = Program::eventually([&] {
      if (!std::filesystem::exists(profile_path())) return false;
      ranks_ = program_->ranks();
      kept_ = kept_in_profile();
      return ranks_.size() == 2 && kept_.most_steps > 0;
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
    expect_kept();
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      EXPECT_EQ(entry.path().filename(), "profile.json");
    }
  }
  void expect_continuation() const {
    const Finished next = start_(command("10s", {}))->wait();
    EXPECT_EQ(next.exit_code, 0) << next.err;
    EXPECT_TRUE(holds(next.err, "measure: continuing ")) << next.err;
    expect_kept();
  }

 private:
  std::filesystem::path profile_path() const { return folder_.path() / "profile.json"; }

  std::vector<std::string> command(const std::string& budget,
                                   const std::vector<std::string>& extra) const {
    std::vector<std::string> words = {
        "--model",  model_, "--local-batch", local_batches_, "--world-sizes",  "2",
        "--budget", budget, "--store",       folder_.path(), "--oversubscribe"};
    words.insert(words.end(), extra.begin(), extra.end());
    return words;
  }

  /// Configurations with steps, and of the one with most.
  struct Kept {
    size_t configurations = 0, most_steps = 0;
  };
  Kept kept_in_profile() const {
    const Profile profile = load_profile(profile_path());
    Kept kept;
    for (const WorkloadProfile& workload : profile.workloads) {
      for (const MeasuredConfiguration& c : workload.configurations) {
        kept.configurations += kept_steps(c) > 0 ? 1 : 0;
        kept.most_steps = std::max(kept.most_steps, kept_steps(c));
      }
    }
    return kept;
  }
  void expect_kept() const {
    const Kept now = kept_in_profile();
    EXPECT_GE(now.configurations, kept_.configurations);
    EXPECT_GE(now.most_steps, kept_.most_steps);
  }

  std::string model_, local_batches_;
  Start start_;
  TemporaryFolder folder_;
  std::unique_ptr<Program> program_;
  std::vector<pid_t> ranks_;
  Kept kept_;
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

/// Two ranks train the network of script_net.cc under the user's own launcher, each in a working
/// folder of its own.
class ScriptOnTwoRanks {
 public:
  ScriptOnTwoRanks() {
    Program(FORERUN_BIN_DIR "/script_net", {folder_.path() / "net.pt"}).wait();
    for (const int r : {0, 1}) {
      std::filesystem::create_directory(working_folder(r));
      write_offset(r, '\0');
    }
  }

  /// A batch has no more samples than the file numbers.
  void write_offset(int rank, char byte) const {
    std::ofstream(working_folder(rank) / "new", std::ios::binary) << std::string(4096, byte);
    std::filesystem::rename(working_folder(rank) / "new", offset(rank));  // at no time half of it
  }
  void remove_offset(int rank) const { std::filesystem::remove(offset(rank)); }

  /// Its own bucket for each gradient: the first is on its way before the next is computed.
  std::unique_ptr<RunningJob> run() const {
    return std::make_unique<RunningJob>(
        folder_.path() / "net.pt", "16,512,1024",
        std::vector<std::string>{"--first-bucket", "4B", "--bucket", "4B", "--timeout", "30s"},
        [this](const std::vector<std::string>& arguments) { return start(arguments); });
  }

 private:
  std::filesystem::path working_folder(int rank) const {
    return folder_.path() / std::to_string(rank);
  }
  std::filesystem::path offset(int rank) const { return working_folder(rank) / "offset.bin"; }

  std::unique_ptr<Program> start(const std::vector<std::string>& arguments) const {
    std::vector<std::string> both;
    for (const int r : {0, 1}) {
      if (r > 0) both.emplace_back(":");
      both.insert(both.end(), {"-np", "1", "-wdir", working_folder(r), kMeasure});
      both.insert(both.end(), arguments.begin(), arguments.end());
      both.insert(both.end(), {"--input", "3x32x32"});
    }
    return start_mpirun(both);
  }

  TemporaryFolder folder_;
};

/// `fault` makes rank 1 throw in the middle of a step, and say `complaint`.
void expect_rank_1_throws(const std::function<void(const ScriptOnTwoRanks&)>& fault,
                          const std::string& complaint) {
  const ScriptOnTwoRanks script;
  const std::unique_ptr<RunningJob> job = script.run();
  ASSERT_TRUE(job->started()) << job->program().err_so_far();
  const double start = clock_now();
  fault(script);
  const Finished done = job->program().wait();
  EXPECT_LT(clock_now() - start, 30);  // --timeout
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(count(done.err, "measure: rank "), 1) << done.err;
  const std::string said = sentence(done.err, "measure: rank 1 on host ");
  EXPECT_TRUE(holds(said, complaint + " (while training net, 2 ranks x ")) << done.err;
  EXPECT_TRUE(said.ends_with(")")) << said;
  job->expect_clean_end();
  script.write_offset(1, '\0');
  job->expect_continuation();
}

TEST(Faults, RankThatThrowsInTheForwardPassIsNamed) {
  expect_rank_1_throws([](const ScriptOnTwoRanks& script) { script.remove_offset(1); },
                       ": RuntimeError: unable to open file <offset.bin> in read-only mode: "
                       "No such file or directory (2)");
}

TEST(Faults, RankThatThrowsInTheBackwardPassIsNamed) {
  expect_rank_1_throws([](const ScriptOnTwoRanks& script) { script.write_offset(1, '1'); },
                       ": the derivative for 'igamma: input' is not implemented.");
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
