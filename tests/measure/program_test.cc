// The program as its users meet it: real ranks under the real launcher.

#include "tests/measure/program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "model/io/profile.h"
#include "model/io/run.h"

namespace forerun {
namespace {

const std::string kDigits = FORERUN_SOURCE_DIR "/examples/data/digits";

TEST(Measure, FillsAProfileAndContinuesIt) {
  const TemporaryFolder folder;
  const std::string store = folder.path() / "store";
  const std::vector<std::string> command = {"--model",  "mnist-cnn", "--local-batch", "4,8",
                                            "--budget", "10s",       "--store",       store};
  const Finished first = run_measure(command);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_TRUE(holds(first.out, "mnist-cnn")) << first.out;
  EXPECT_TRUE(holds(first.out, "\n  communication")) << first.out;
  const Profile profile = load_profile(store + "/profile.json");
  EXPECT_TRUE(holds(profile.machine.fingerprint, "1 thread per rank"));
  EXPECT_TRUE(holds(profile.machine.launch_line, "-np")) << profile.machine.launch_line;
  EXPECT_TRUE(profile.machine.libraries.contains("blas"));
  const WorkloadProfile* cnn = profile.find("mnist-cnn");
  ASSERT_NE(cnn, nullptr);
  EXPECT_DOUBLE_EQ(cnn->grad_bytes, 4 * cnn->parameters);
  std::set<int> worlds;
  for (const MeasuredConfiguration& c : cnn->configurations) {
    worlds.insert(c.at.world_size());
    ASSERT_EQ(static_cast<int>(c.ranks.size()), c.at.world_size());
    ASSERT_FALSE(c.step_times().empty());
    EXPECT_GE(c.warmup_steps, 2);
    EXPECT_FALSE(c.buckets.empty());
    EXPECT_GT(c.peak_memory_bytes.value_or(1), 0);
    for (const RankSteps& r : c.ranks) {
      for (size_t i = 0; i < r.step_time_s.size(); ++i) {
        EXPECT_NEAR(
            r.load_s[i] + r.forward_s[i] + r.backward_s[i] + r.exposed_comm_s[i] + r.optimizer_s[i],
            r.step_time_s[i], 1e-9);
      }
    }
  }
  EXPECT_EQ(*worlds.rbegin(), profile.machine.max_ranks);
  EXPECT_EQ(profile.network.empty(), profile.machine.max_ranks == 1);
  EXPECT_EQ(holds(first.out, "size        time       algbw       busbw\n"),
            !profile.network.empty())
      << first.out;

  const Finished second = run_measure(command);
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_TRUE(holds(second.err, "already precise")) << second.err;
  const Profile continued = load_profile(store + "/profile.json");
  for (const MeasuredConfiguration& c : continued.find("mnist-cnn")->configurations) {
    const auto before = std::ranges::find(cnn->configurations, c.at, &MeasuredConfiguration::at);
    if (before == cnn->configurations.end()) continue;
    // Steps that other programs slowed count only where there are no others.
    EXPECT_GE(kept_steps(c), kept_steps(*before));
  }
}

TEST(Measure, SaysThatNothingFitsIntoTheBudget) {
  const TemporaryFolder folder;
  const Finished done = run_measure({"--model", "resnet50", "--local-batch", "64", "--world-sizes",
                                     "1", "--budget", "1s", "--store", folder.path() / "store"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_TRUE(holds(done.err, "none of 1 configuration could be measured within --budget 1.00 s;"))
      << done.err;
  EXPECT_TRUE(holds(done.err, "left out resnet50")) << done.err;
  EXPECT_NO_THROW(load_profile(folder.path() / "store/profile.json"));
}

TEST(Measure, JsonIsOneDocument) {
  const TemporaryFolder folder;
  const Finished done = run_measure({"--model", "mnist-cnn", "--local-batch", "8", "--world-sizes",
                                     "2", "--budget", "8s", "--oversubscribe", "--collectives",
                                     "allreduce,all_gather", "--json", "--store", folder.path()});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json document = Json::parse(done.out);
  EXPECT_EQ(document.at("configurations").size(), 1u);
  const Json& configuration = document.at("configurations").at(0);
  EXPECT_GT(configuration.at("step_time_s").get<double>(), 0);
  const Json& exposed = configuration.at("communication").at("exposed_s");
  EXPECT_LE(exposed.at("low").get<double>(), exposed.at("median").get<double>());
  EXPECT_LE(exposed.at("median").get<double>(), exposed.at("high").get<double>());
  // On two ranks an all-reduce moves its buffer once over each link, an all-gather half of it.
  for (const Json& row : document.at("network")) {
    const double algbw = row.at("algbw_bytes_per_s");
    const double moved = row.at("collective") == "allreduce" ? 1 : 0.5;
    EXPECT_DOUBLE_EQ(algbw * row.at("time_s").get<double>(), row.at("size_bytes").get<double>());
    EXPECT_DOUBLE_EQ(row.at("busbw_bytes_per_s").get<double>(), moved * algbw);
  }
  EXPECT_FALSE(document.at("network").empty());
}

std::set<double> swept_sizes(const std::filesystem::path& store) {
  std::set<double> sizes;
  for (const SweepPoint& point : load_profile(store / "profile.json").network) {
    EXPECT_FALSE(point.samples_s.empty());
    sizes.insert(point.size_bytes);
  }
  return sizes;
}

TEST(Measure, SweepsToTheSizeThatWasAskedFor) {
  const TemporaryFolder folder;
  const auto measure = [&](const std::string& size, const std::string& budget) {
    return run_measure({"--model", "mnist-cnn", "--local-batch", "4", "--world-sizes", "2",
                        "--budget", budget, "--sweep-to", size, "--oversubscribe", "--store",
                        folder.path()});
  };
  const Finished small = measure("10000", "6s");
  ASSERT_EQ(small.exit_code, 0) << small.err;
  EXPECT_EQ(swept_sizes(folder.path()), (std::set<double>{1024, 4096, 10000}));
  EXPECT_FALSE(holds(small.err, "left out collectives")) << small.err;
  const Finished large = measure("8MiB", "20s");
  ASSERT_EQ(large.exit_code, 0) << large.err;
  EXPECT_EQ(*swept_sizes(folder.path()).rbegin(), 8 << 20);
  EXPECT_FALSE(holds(large.err, "left out collectives")) << large.err;
}

TEST(Measure, SaysWhatItDidNotSweepAndWhy) {
  const TemporaryFolder folder;
  const auto measure = [&](const std::vector<std::string>& more) {
    std::vector<std::string> command = {"--model",        "mnist-cnn",   "--local-batch", "4",
                                        "--store",        folder.path(), "--world-sizes", "2",
                                        "--oversubscribe"};
    command.insert(command.end(), more.begin(), more.end());
    return run_measure(command);
  };
  const Finished brief =
      measure({"--budget", "1s", "--sweep-to", "4GiB", "--memory-per-rank", "16GiB"});
  EXPECT_EQ(brief.exit_code, kExitFailed) << brief.err;
  const std::string said = sentence(brief.err, "left out collectives of ");
  EXPECT_TRUE(holds(said, "4.29 GB: they need at least ")) << said;
  EXPECT_TRUE(holds(said, "; a longer --budget would help")) << said;
  const Finished full =
      measure({"--budget", "10s", "--sweep-to", "300MB", "--memory-per-rank", "1GB", "--json"});
  ASSERT_EQ(full.exit_code, 0) << full.err;
  EXPECT_TRUE(holds(full.err,
                    "left out collectives of more than 150 MB: a buffer may take a "
                    "quarter of a rank's 1.00 GB"))
      << full.err;
  EXPECT_EQ(Json::parse(full.out).at("left_out").at(0).at("what"),
            "collectives of more than 150 MB");
}

TEST(Measure, ModelsListsTheZoo) {
  const Finished done = run_measure({"models", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json zoo = Json::parse(done.out).at("models");
  const auto resnet =
      std::ranges::find_if(zoo, [](const Json& row) { return row.at("name") == "resnet18"; });
  ASSERT_NE(resnet, zoo.end());
  EXPECT_EQ(resnet->at("grad_bytes").get<double>(), 4 * resnet->at("parameters").get<double>());
}

struct BadInput {
  std::vector<std::string> arguments;
  int exit_code;
  std::string sentence;
};

TEST(Measure, RefusesBadInputBeforeItStarts) {
  const std::vector<BadInput> inputs = {
      {{"--budget", "0"}, 2, "--budget \"0\" (expected a time with its unit"},
      {{"--budget", "0s"}, 2, "--budget 0s (must be longer than 0"},
      {{"--model", "resnet81"}, 2, "resnet18"},
      {{"--batch", "3", "--world-sizes", "1,2", "--oversubscribe"}, 2, "take 2 or 4"},
      {{"--batch", "1", "--world-sizes", "2", "--oversubscribe"}, 2, "take 2"},
      {{"--precision", "bf16"}, 2, "there are float32 and bfloat16"},
      {{"--strategy", "dpd"}, 2, "did you mean ddp?"},
      {{"--batch", "8", "--local-batch", "4"}, 2, "give one of them"},
      {{"--no-such-option"}, 2, "--no-such-option"},
      {{"--threads", "0"}, 2, "--threads: 0 (must be > 0)"},
      {{"--threads", "two"}, 2, "--threads: \"two\" (expected a number)"},
      {{"--timeout", "0s"}, 2, "the default is 60s"},
      {{"--bucket", "0"},
       2,
       "--bucket \"0\" (must be at least 4 bytes, one gradient; the default is 25MiB)"},
      {{"--first-bucket", "3B"}, 2, "--first-bucket \"3B\" (must be at least 4 bytes"},
      {{"--bucket", ""}, 2, "--bucket \"\""},
      {{"--sweep-to", "512"},
       2,
       "--sweep-to \"512\" (must be from 1KiB, where sweeps begin, to 4GiB)"},
      {{"--sweep-to", "8GiB"}, 2, "where sweeps begin, to 4GiB)"},
      {{"--sweep-to", "large"}, 2, "--sweep-to \"large\" (expected a size"},
      {{"--model", "no/such/model.pt"}, 2, "no/such/model.pt: no such file"},
      {{"--input", "3x32", "--model", "resnet18"}, 2, "3x224x224"},
      {{"--world-sizes", "100000"}, 2, "--oversubscribe"},
      {{"--store", "/dev/null/x"}, 1, "/dev/null/x"},
      {{"train"}, 2, "--model"},
      {{"train", "--model", "mnist-cnn", "--data", "/no/such/folder"}, 1, "/no/such/folder"},
      {{"train", "--model", "mnist-cnn", "--epochs", "1", "--steps", "2"}, 2, "give one of them"},
      {{"train", "--model", "mnist-cnn", "--world-size", "2", "--strategy", "serial",
        "--oversubscribe"},
       2,
       "serial"},
  };
  for (const BadInput& input : inputs) {
    const Finished done = run_measure(input.arguments);
    EXPECT_EQ(done.exit_code, input.exit_code) << done.err;
    EXPECT_TRUE(holds(done.err, input.sentence)) << input.sentence << " is not in: " << done.err;
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
    EXPECT_EQ(done.out, "");
  }
}

TEST(Measure, NamesThePackageOfAMissingLauncher) {
  const TemporaryFolder folder;
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", folder.path().c_str(), 1);
  const Finished done = run_measure({"--model", "mnist-cnn", "--store", folder.path()});
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_TRUE(holds(done.err, "apt-get install ")) << done.err;
}

TEST(Measure, LeavesDamagedAndForeignProfilesAsTheyAre) {
  struct Case {
    std::string text, sentence;
  };
  Profile other;
  other.machine.fingerprint = "cpu; 1 x Abacus with 7 cores; 1 thread per rank";
  other.machine.device = "cpu";
  other.machine.max_ranks = 7;
  const TemporaryFolder folder;
  save_profile(folder.path() / "other.json", other);
  const std::string whole = slurp(folder.path() / "other.json");
  Json newer = Json::parse(whole);
  newer["version"] = kProfileVersion + 1;
  for (const Case& c :
       {Case{whole, "another machine"}, Case{whole.substr(0, whole.size() / 2), "profile.json"},
        Case{"", "profile.json"}, Case{newer.dump(), "version"}}) {
    const auto path = folder.write("profile.json", c.text);
    const Finished done = run_measure({"--budget", "5s", "--store", folder.path()});
    EXPECT_EQ(done.exit_code, 1);
    EXPECT_TRUE(holds(done.err, c.sentence)) << done.err;
    EXPECT_EQ(slurp(path), c.text);
  }
}

TEST(Measure, BatchThatDoesNotFitIsAResult) {
  const TemporaryFolder folder;
  const Finished done =
      run_measure({"--model", "mnist-cnn", "--local-batch", "8,1024", "--world-sizes", "1",
                   "--budget", "60s", "--memory-per-rank", "500MB", "--store", folder.path()});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Profile profile = load_profile(folder.path() / "profile.json");
  for (const MeasuredConfiguration& c : profile.find("mnist-cnn")->configurations) {
    EXPECT_EQ(c.status, c.at.local_batch == 8 ? "ok" : "out_of_memory");
  }
  EXPECT_TRUE(holds(done.out, "out of memory")) << done.out;
}

forerun::Run only_run(const std::filesystem::path& store, const std::string& part = "") {
  for (const auto& entry : std::filesystem::directory_iterator(store / "runs")) {
    if (holds(entry.path().filename(), part)) return load_run(entry.path());
  }
  ADD_FAILURE() << "no run in " << store;
  return {};
}

void expect_same_curve(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(a[i], b[i], 1e-4 * std::abs(b[i])) << "step " << i;
  }
}

TEST(Train, TwoAndFourRanksGiveTheLossCurveOfOne) {
  const TemporaryFolder folder;
  const Finished done =
      run_measure({"train", "--model", "mnist-cnn", "--data", kDigits, "--batch", "32",
                   "--world-sizes", "1,2,4", "--steps", "40", "--learning-rate", "0.05",
                   "--oversubscribe", "--store", folder.path()});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const forerun::Run one = only_run(folder.path(), "-1-b32"),
                     two = only_run(folder.path(), "-2-b16"),
                     four = only_run(folder.path(), "-4-b8");
  ASSERT_EQ(one.loss.size(), 40u);
  EXPECT_LT(one.loss.back(), 0.9 * one.loss.front());  // it learns
  expect_same_curve(two.loss, one.loss);
  expect_same_curve(four.loss, one.loss);
  EXPECT_EQ(two.steps.role, "test");
  EXPECT_EQ(two.steps.ranks.size(), 2u);
}

TEST(Train, LearnsRealDigits) {
  const TemporaryFolder folder;
  const Finished done =
      run_measure({"train", "--model", "mnist-cnn", "--data", kDigits, "--batch", "32",
                   "--world-size", "1", "--epochs", "10", "--store", folder.path()});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const forerun::Run run = only_run(folder.path());
  ASSERT_EQ(run.epochs.size(), 10u);
  EXPECT_GE(run.epochs.back().accuracy.value_or(0), 0.95);
}

TEST(Train, ResumesWhereTheLastEpochEnded) {
  const TemporaryFolder folder;
  const auto train = [&](const std::string& store, const std::string& epochs, bool resume) {
    std::vector<std::string> command = {"train",
                                        "--model",
                                        "mnist-cnn",
                                        "--data",
                                        kDigits,
                                        "--batch",
                                        "64",
                                        "--world-size",
                                        "1",
                                        "--store",
                                        folder.path() / store,
                                        "--epochs",
                                        epochs};
    if (resume) command.push_back("--resume");
    const Finished done = run_measure(command);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done;
  };
  train("straight", "3", false);
  train("halting", "1", true);
  const Finished rest = train("halting", "3", true);
  EXPECT_TRUE(holds(rest.err, "resuming after step")) << rest.err;
  const forerun::Run straight = only_run(folder.path() / "straight");
  const forerun::Run halting = only_run(folder.path() / "halting");
  expect_same_curve(halting.loss, straight.loss);
  EXPECT_EQ(halting.epochs.size(), 3u);
  EXPECT_NEAR(*halting.epochs.back().accuracy, *straight.epochs.back().accuracy, 0.01);
}

TEST(Train, NotANumberNamesRankAndStep) {
  const TemporaryFolder folder;
  const Finished done =
      run_measure({"train", "--model", "mnist-cnn", "--batch", "32", "--world-size", "2", "--steps",
                   "50", "--oversubscribe", "--learning-rate", "1e20", "--store", folder.path()});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(count(done.err, "the loss is"), 1) << done.err;
  const std::string said = sentence(done.err, "the loss is");
  EXPECT_TRUE(holds(said, "rank 0 on host ")) << said;
  EXPECT_TRUE(holds(said, "in step ")) << said;
  EXPECT_TRUE(holds(said, "(while training mnist-cnn, 2 ranks x 16)")) << said;
}

}  // namespace
}  // namespace forerun
