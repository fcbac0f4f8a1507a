#include "model/io/run.h"

#include <gtest/gtest.h>

#include "tests/model/io/sample_profile.h"
#include "tests/support.h"

namespace forerun {
namespace {

TEST(Run, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  const auto first = folder.path() / "1.json", second = folder.path() / "2.json";
  save_run(first, sample_run());
  const auto read = load_run(first);
  save_run(second, read);
  EXPECT_EQ(slurp(first), slurp(second));
  EXPECT_EQ(read.seed, 7);
  EXPECT_EQ(read.epochs.at(0).accuracy, 0.42);
  EXPECT_EQ(read.epochs.at(1).accuracy, std::nullopt);
  EXPECT_EQ(read.steps.step_times(), sample_configuration().step_times());
}

TEST(Run, KeepsEverySeed) {
  const TemporaryFolder folder;
  auto run = sample_run();
  for (const unsigned long seed : {0ul, (1ul << 53) + 1, ~0ul}) {
    run.seed = seed;
    save_run(folder.path() / "r.json", run);
    EXPECT_EQ(load_run(folder.path() / "r.json").seed, seed);
  }
}

TEST(LoadRuns, AreInOrderOfTheirNamesAndJsonOnly) {
  const TemporaryFolder folder;
  auto run = sample_run();
  for (const char* name : {"b", "a", "c"}) {
    run.model = name;
    save_run(folder.path() / (std::string(name) + ".json"), run);
  }
  folder.write("notes.txt", "not a run");
  const auto runs = load_runs(folder.path());
  ASSERT_EQ(runs.size(), 3);
  EXPECT_EQ(runs[0].model, "a");
  EXPECT_EQ(runs[2].model, "c");
}

TEST(LoadRuns, NoFolderIsNoRun) { EXPECT_TRUE(load_runs("/nowhere/runs").empty()); }

TEST(LoadRuns, NamesTheFileThatIsBroken) {
  const TemporaryFolder folder;
  folder.write("r.json", "{");
  EXPECT_EQ(error_of([&] { load_runs(folder.path()); }, folder.path().string())
                .rfind("/r.json: not valid JSON, perhaps truncated", 0),
            0);
}

}  // namespace
}  // namespace forerun
