// The program as its users meet it: exit codes, what it prints, what it leaves.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "model/io/atomic_file.h"
#include "model/io/calibration.h"
#include "model/io/profile.h"

namespace forerun {
namespace {

struct Outcome {
  int exit_code = 0;
  std::string out, err;
};

class CalibrateProgram : public testing::Test {
 protected:
  CalibrateProgram()
      : folder_(std::filesystem::path(testing::TempDir()) / "calibrate_program" / info()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }

  /// `environment`: assignments for the program alone.
  Outcome run(const std::string& arguments, const std::string& environment = "") const {
    const std::string command = "cd " + folder_.string() + " && env -u FORERUN_HOME " +
                                environment + " " FORERUN_BIN_DIR "/calibrate " + arguments +
                                " > out.txt 2> err.txt < /dev/null";
    const int status = std::system(command.c_str());
    return {WEXITSTATUS(status), read_file(folder_ / "out.txt"), read_file(folder_ / "err.txt")};
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }

  std::filesystem::path folder_;

 private:
  static std::string info() {
    return testing::UnitTest::GetInstance()->current_test_info()->name();
  }
};

constexpr char kRows[] =
    "model,nodes,gpus,local_batch,step_time_s\n"
    "m,1,1,8,0.10\nm,1,1,16,0.18\nm,1,1,32,0.35\nm,1,2,8,0.12\nm,1,2,16,0.20\nm,1,2,32,0.36\n"
    "m,1,4,8,0.13\nm,1,4,16,0.21\nm,1,4,32,0.37\n";

TEST_F(CalibrateProgram, WritesACalibrationAndSaysHowWrongItIs) {
  write("o.csv", kRows);
  const Outcome o = run("--observations o.csv");
  EXPECT_EQ(o.exit_code, 0) << o.err;
  EXPECT_NE(o.out.find("Held out: the largest measured scale (4 GPUs)"), std::string::npos)
      << o.out;
  EXPECT_EQ(load_calibration(folder_ / "forerun" / "calibration.json").workloads.size(), 1u);
}

TEST_F(CalibrateProgram, NamesWhatOneNodeSaysNothingOf) {
  write("o.csv", kRows);
  const Outcome o = run("--observations o.csv");
  const size_t unseen = o.out.find("these data say nothing of network.alpha_inter_s");
  ASSERT_NE(unseen, std::string::npos) << o.out;
  EXPECT_EQ(o.out.find("network.alpha_inter_s"),
            unseen + std::strlen("these data say nothing of "));
}

TEST_F(CalibrateProgram, PrintsOneJsonDocument) {
  write("o.csv", kRows);
  const Outcome o = run("--observations o.csv --out c.json --json");
  ASSERT_EQ(o.exit_code, 0) << o.err;
  const Json report = Json::parse(o.out);
  for (const char* key : {"points", "ape_median", "ape_p90", "ape_max", "bias", "coverage_90",
                          "log_width_90", "regret"}) {
    EXPECT_TRUE(report["models"]["m"]["held_out"].contains(key)) << key;
    for (const char* naive : {"ideal", "carry_forward", "linear"}) {
      EXPECT_TRUE(report["models"]["m"]["naive"][naive].contains(key)) << naive << " " << key;
    }
  }
  EXPECT_TRUE(report["network"].contains("alpha_intra_s"));
  EXPECT_TRUE(report["network"].contains("beta_intra_s_per_byte"));
  EXPECT_TRUE(report["fit"].contains("seconds"));
  EXPECT_TRUE(report["fit"]["converged"].is_boolean());
}

TEST_F(CalibrateProgram, ExplainsInWordsAndPlots) {
  write("o.csv", kRows);
  const Outcome o = run("--observations o.csv --explain");
  ASSERT_EQ(o.exit_code, 0) << o.err;
  for (const char* part : {"Not determined; what would tell:", "Where the errors sit",
                           "What to measure next", "measure --model m --world-sizes "})
    EXPECT_NE(o.out.find(part), std::string::npos) << part << o.out;
  for (const char* plot : {"parameters", "error-by-scale", "error-by-batch", "error-by-placement",
                           "uncertainty", "next"}) {
    const std::string stem = folder_ / "forerun" / "explain" / plot;
    EXPECT_NE(read_file(stem + ".svg").find("<svg"), std::string::npos) << plot;
    EXPECT_EQ(read_file(stem + ".png").substr(1, 3), "PNG") << plot;
  }
}

TEST_F(CalibrateProgram, WithoutGnuplotTheRestStillComes) {
  write("o.csv", kRows);
  std::filesystem::create_directory(folder_ / "empty");
  const Outcome o = run("--observations o.csv --explain-out plots --json",
                        "PATH=" + (folder_ / "empty").string());
  ASSERT_EQ(o.exit_code, 0) << o.err;
  EXPECT_NE(o.err.find("apt-get install gnuplot-nox"), std::string::npos) << o.err;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "plots"));
  const Json explained = Json::parse(o.out)["explain"];
  EXPECT_TRUE(explained["plots"].empty());
  EXPECT_GT(explained["models"]["m"]["left_out"]["rows"].get<int>(), 0);
  EXPECT_FALSE(explained["next"][0]["measurements"].empty());
}

TEST_F(CalibrateProgram, NamesFileLineAndFieldOfBadRows) {
  write("o.csv", "model,nodes,gpus,local_batch,step_time_s\nm,1,1,8,0.1\nm,1,1,16,-2\n");
  const Outcome o = run("--observations o.csv");
  EXPECT_EQ(o.exit_code, 1);
  EXPECT_NE(o.err.find("o.csv:3: step_time_s = -2"), std::string::npos) << o.err;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "forerun"));
}

TEST_F(CalibrateProgram, EveryKeyIsThereWhereNothingCouldBeHeldOut) {
  write("o.csv", "model,nodes,gpus,local_batch,step_time_s\nm,1,1,8,0.1\n");
  const Outcome o = run("--observations o.csv --json");
  EXPECT_EQ(o.exit_code, 0) << o.err;
  const Json j = Json::parse(o.out);
  for (const Json& of : {j["models"]["m"], j["mean"]}) {
    EXPECT_EQ(of["held_out"]["points"], 0);
    for (const char* name : {"ideal", "carry_forward", "linear"}) {
      EXPECT_EQ(of["naive"][name]["points"], 0) << name;
    }
  }
}

TEST_F(CalibrateProgram, NamesModelsWithoutARowToFit) {
  write("o.csv",
        "model,nodes,gpus,local_batch,step_time_s,role\nm,1,1,8,0.1,fit\nx,1,1,8,1,test\n");
  const Outcome o = run("--observations o.csv");
  EXPECT_EQ(o.exit_code, 0) << o.err;
  EXPECT_NE(o.err.find("calibrate: x: no row has role fit"), std::string::npos) << o.err;
  EXPECT_EQ(o.err.find("calibrate: m"), std::string::npos) << o.err;
}

TEST_F(CalibrateProgram, AFullDiskBehindStdoutIsNoticed) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  write("o.csv", kRows);
  const std::string line = "cd " + folder_.string() +
                           " && " FORERUN_BIN_DIR
                           "/calibrate --observations o.csv --out c.json >/dev/full 2>err.txt";
  EXPECT_EQ(WEXITSTATUS(std::system(line.c_str())), 1);
  EXPECT_NE(read_file(folder_ / "err.txt").find("calibrate: stdout: cannot be written"),
            std::string::npos);
}

TEST_F(CalibrateProgram, RefusesAProfileWithoutSteps) {
  Profile profile;
  profile.machine.fingerprint = profile.machine.device = "cpu";
  profile.machine.max_ranks = 1;
  save_profile(folder_ / "forerun" / "profile.json", profile);
  const Outcome o = run("");
  EXPECT_EQ(o.exit_code, 3);
  EXPECT_NE(o.err.find("holds no measured step"), std::string::npos) << o.err;
}

TEST_F(CalibrateProgram, RefusesWithoutMeasurements) {
  const Outcome o = run("");
  EXPECT_EQ(o.exit_code, 3);
  EXPECT_NE(o.err.find("Run measure first"), std::string::npos) << o.err;
}

TEST_F(CalibrateProgram, LeavesTheOldCalibrationOnFailure) {
  write("o.csv", kRows);
  ASSERT_EQ(run("--observations o.csv --out c.json").exit_code, 0);
  const std::string before = read_file(folder_ / "c.json");
  write("bad.csv", "model,nodes,gpus,local_batch,step_time_s\n");
  EXPECT_EQ(run("--observations bad.csv --out c.json").exit_code, 1);
  EXPECT_EQ(read_file(folder_ / "c.json"), before);
}

TEST_F(CalibrateProgram, UsageErrorsExitTwo) {
  EXPECT_EQ(run("--no-such-option").exit_code, 2);
  EXPECT_EQ(run("--help").exit_code, 0);
}

TEST_F(CalibrateProgram, SameBytesWhateverTheThreads) {
  write("o.csv", kRows);
  const auto calibration = [&](const std::string& environment) {
    EXPECT_EQ(run("--observations o.csv --out a.json", environment).exit_code, 0);
    return read_file(folder_ / "a.json");
  };
  EXPECT_EQ(calibration("OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1"),
            calibration("OMP_NUM_THREADS=4 OPENBLAS_NUM_THREADS=4"));
}

TEST_F(CalibrateProgram, SameInputSameBytes) {
  write("o.csv", kRows);
  ASSERT_EQ(run("--observations o.csv --out a.json").exit_code, 0);
  ASSERT_EQ(run("--observations o.csv --out b.json").exit_code, 0);
  EXPECT_EQ(read_file(folder_ / "a.json"), read_file(folder_ / "b.json"));
}

}  // namespace
}  // namespace forerun
