// The real binary on stores on disk.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "model/io/atomic_file.h"
#include "tests/predict/report/example_store.h"

namespace forerun {
namespace {

namespace fs = std::filesystem;

class ReportProgram : public testing::Test {
 protected:
  void SetUp() override {
    store_ = fs::path(testing::TempDir()) /
             ("report_program_" +
              std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(store_);
    fs::create_directories(store_);
  }
  void TearDown() override { fs::remove_all(store_); }

  /// Exit code of `report --store STORE` with more `options`, after `environment`.
  int report(const std::string& options = "", const std::string& environment = "") {
    const std::string command =
        environment + " " FORERUN_BIN_DIR "/report --store '" + store_.string() + "' " + options +
        " >'" + (store_ / "stdout").string() + "' 2>'" + (store_ / "stderr").string() + "'";
    const int status = std::system(command.c_str());
    out_ = read_file(store_ / "stdout");
    err_ = read_file(store_ / "stderr");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
  std::string page() const { return read_file(store_ / "report" / "index.html"); }

  fs::path store_;
  std::string out_, err_;
};

TEST_F(ReportProgram, WritesPagePlotsAndTable) {
  report_example::write_store(store_);
  ASSERT_EQ(report(), 0) << err_;
  EXPECT_TRUE(has(out_, "6 configurations that were not measured before")) << out_;
  EXPECT_TRUE(has(out_, "report/index.html"));
  for (const char* name : {"speedup-resnet18", "components-resnet18", "throughput-resnet18",
                           "allreduce", "recommended", "predicted-vs-observed", "error"}) {
    EXPECT_TRUE(fs::exists(store_ / "report" / (std::string(name) + ".svg"))) << name;
    EXPECT_TRUE(fs::exists(store_ / "report" / (std::string(name) + ".png"))) << name;
  }
  std::istringstream csv(read_file(store_ / "report" / "predicted_vs_observed.csv"));
  std::string line;
  int rows = -1;
  while (std::getline(csv, line)) ++rows;
  EXPECT_EQ(rows, 6);
}

TEST_F(ReportProgram, WithoutRunsSaysHowToGetThem) {
  save_profile(store_ / "profile.json", report_example::small_profile());
  ASSERT_EQ(report(), 0) << err_;
  EXPECT_TRUE(has(out_, "No prediction has been checked"));
  EXPECT_TRUE(has(out_, "measure train --model resnet18 --batch 80")) << out_;
  EXPECT_TRUE(has(page(), "measure train --model resnet18 --batch 80"));
}

TEST_F(ReportProgram, WithoutProfileIsRefused) {
  EXPECT_EQ(report(), 3);
  EXPECT_TRUE(has(err_, "profile.json")) << err_;
  EXPECT_TRUE(has(err_, "run `measure` first"));
  EXPECT_FALSE(fs::exists(store_ / "report"));
}

TEST_F(ReportProgram, LeavesOutRunsOfAnotherMachineAndSaysSo) {
  report_example::write_store(store_);
  forerun::Run foreign = report_example::check_run(2, 20);
  foreign.machine.fingerprint = "cpu/Another/2/1";
  save_run(store_ / "runs" / "foreign.json", foreign);
  forerun::Run repeat = report_example::check_run(2, 32);
  save_run(store_ / "runs" / "measured.json", repeat);
  ASSERT_EQ(report(), 0) << err_;
  EXPECT_TRUE(has(out_, "6 configurations that were not measured before")) << out_;
  EXPECT_TRUE(has(page(), "1 run is left out: made on another machine (cpu/Another/2/1"));
  EXPECT_TRUE(has(page(), "measured before"));
}

TEST_F(ReportProgram, GoesOnBesideABrokenRunAndNamesIt) {
  report_example::write_store(store_);
  write_file_atomically(store_ / "runs" / "broken.json", "{\"format\": \"forerun-run\", ");
  ASSERT_EQ(report(), 0) << err_;
  EXPECT_TRUE(has(err_, "broken.json")) << err_;
  EXPECT_TRUE(has(out_, "6 configurations"));
}

TEST_F(ReportProgram, FailsWhereNoRunCanBeRead) {
  save_profile(store_ / "profile.json", report_example::small_profile());
  write_file_atomically(store_ / "runs" / "broken.json", "");
  EXPECT_EQ(report(), 1);
  EXPECT_TRUE(has(err_, "broken.json")) << err_;
}

TEST_F(ReportProgram, WithoutGnuplotNamesThePackage) {
  report_example::write_store(store_);
  EXPECT_EQ(report("", "PATH=/nonexistent"), 1);
  EXPECT_TRUE(has(err_, "gnuplot-nox")) << err_;
  EXPECT_FALSE(fs::exists(store_ / "report" / "index.html"));
}

TEST_F(ReportProgram, OpensOrSaysHow) {
  report_example::write_store(store_);
  // A browser that cannot start: the page is there all the same.
  write_file_atomically(store_ / "bin" / "xdg-open", "#!/bin/sh\nexit 3\n");
  fs::permissions(store_ / "bin" / "xdg-open", fs::perms::owner_all);
  EXPECT_EQ(report("--open", "PATH='" + (store_ / "bin").string() + "':$PATH"), 1);
  EXPECT_TRUE(has(err_, "in a browser by hand")) << err_;
  EXPECT_TRUE(fs::exists(store_ / "report" / "index.html"));
}

TEST_F(ReportProgram, UsageErrors) {
  EXPECT_EQ(report("--nonsense"), 2);
  EXPECT_EQ(report("--help"), 0);
  EXPECT_TRUE(has(out_, "--open"));
}

}  // namespace
}  // namespace forerun
