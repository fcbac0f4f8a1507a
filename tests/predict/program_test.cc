// The program as its users and their scripts see it: exit codes, streams, and what is read from
// where.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "calib/calibrate.h"
#include "model/io/atomic_file.h"
#include "model/io/json_reader.h"
#include "tests/predict/hand_made.h"

namespace forerun {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int exit_code = -1;
  std::string out, err;
};

class PredictProgram : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::vector<Observation> rows;
    for (const int gpus : {1, 2, 4}) {
      for (const int local : {8, 16, 32, 64}) {
        Observation o;
        o.model = "densenet121";
        o.at.placement = Placement({gpus});
        o.at.local_batch = local;
        o.step_time_s = step_time(hand_made_model(), o.at).total().value();
        rows.push_back(o);
      }
    }
    calibration() = calibrate_observations(rows, "made by hand");
  }

  void SetUp() override {
    folder_ =
        fs::temp_directory_path() / ("predict_program_" + std::to_string(getpid()) + "_" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    save_calibration(folder_ / "calibration.json", calibration());
  }
  void TearDown() override { fs::remove_all(folder_); }

  Outcome predict(const std::string& arguments) const {
    const fs::path out = folder_ / "stdout", err = folder_ / "stderr";
    const std::string line = "env -u SLURM_JOB_ID FORERUN_HOME='" + folder_.string() +
                             "' '" FORERUN_BIN_DIR "/predict' " + arguments + " >'" + out.string() +
                             "' 2>'" + err.string() + "' </dev/null";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(out), read_file(err)};
  }

  fs::path write(const std::string& name, const std::string& text) const {
    write_file_atomically(folder_ / name, text);
    return folder_ / name;
  }

  static Calibration& calibration() {
    static Calibration c;
    return c;
  }
  fs::path folder_;
};

TEST_F(PredictProgram, AnswersOnStdoutOnly) {
  const Outcome o = predict("--model densenet121 --batch 128");
  EXPECT_EQ(o.exit_code, 0) << o.err;
  EXPECT_EQ(o.err, "");
  EXPECT_NE(o.out.find("Recommended"), std::string::npos);
  EXPECT_NE(o.out.find("torchrun"), std::string::npos);
}

TEST_F(PredictProgram, JsonIsOneDocument) {
  const Outcome o = predict("--model densenet121 --batch 128 --json");
  EXPECT_EQ(o.exit_code, 0) << o.err;
  const Json j = Json::parse(o.out);
  EXPECT_EQ(j["format"], "forerun-forecast");
  EXPECT_EQ(j["recommendation"]["global_batch"], 128);
}

TEST_F(PredictProgram, RefusesWhereNothingWasMeasuredBetweenNodes) {
  const Outcome o = predict("--model densenet121 --batch 128 --gpus 8 --json");
  EXPECT_EQ(o.exit_code, 3);
  EXPECT_NE(o.err.find("measure --model densenet121"), std::string::npos) << o.err;
  EXPECT_NE(o.err.find("--world-sizes 8"), std::string::npos) << o.err;
  const Json j = Json::parse(o.out);
  EXPECT_TRUE(j["recommendation"].is_null());
  EXPECT_EQ(j["refused"][0]["gpus"], 8);
}

TEST_F(PredictProgram, RefusesAnUnknownModelWithNearNames) {
  const Outcome o = predict("--model densenet --batch 128");
  EXPECT_EQ(o.exit_code, 3);
  EXPECT_EQ(o.out, "");
  EXPECT_NE(o.err.find("did you mean densenet121?"), std::string::npos) << o.err;
  EXPECT_NE(o.err.find("measure --model densenet"), std::string::npos) << o.err;
}

TEST_F(PredictProgram, RefusalsAreDocumentsToo) {
  for (const std::string& store : {folder_.string(), folder_.string() + "/none"}) {
    const Outcome o = predict("--model densenet --batch 128 --json --store '" + store + "'");
    EXPECT_EQ(o.exit_code, 3);
    const Json j = Json::parse(o.out);
    EXPECT_TRUE(j["recommendation"].is_null());
    EXPECT_TRUE(j["candidates"].empty());
    EXPECT_EQ(j["next_measurements"][0]["command"], "measure --model densenet --batch 128");
    EXPECT_NE(j["notes"][0].get<std::string>().find("measure"), std::string::npos);
  }
}

TEST_F(PredictProgram, RefusesAnEmptyStore) {
  const Outcome o =
      predict("--model densenet121 --batch 128 --store '" + folder_.string() + "/none'");
  EXPECT_EQ(o.exit_code, 3);
  EXPECT_NE(o.err.find("run `measure` first"), std::string::npos) << o.err;
}

TEST_F(PredictProgram, UsageErrors) {
  for (const char* arguments : {"",
                                "--model densenet121",
                                "--batch 128",
                                "--model densenet121 --batch 0",
                                "--model densenet121 --batch -4",
                                "--model densenet121 --batch x",
                                "--model densenet121 --batch 12.5",
                                "--model densenet121 --batch 99999999999999999999",
                                "--model densenet121 --batch 128 --objective quick",
                                "--model densenet121 --batch 128 --gpus 0",
                                "--model densenet121 --batch 128 --gpus 4-2",
                                "--model densenet121 --batch 128 --gpus 2 --max-gpus 4",
                                "--model densenet121 --batch 128 --epochs 3",
                                "--model densenet121 --batch 128 --price nan",
                                "--model densenet121 --batch 128 --objective deadline:1h",
                                "--model densenet121 --batch 7 --gpus 2",
                                "--model densenet121 --batch 2 --gpus 4",
                                "--model densenet121 --batch 128 --json --csv",
                                "--model densenet121 --batch 128 --nonsense",
                                "--points x.csv --model densenet121"}) {
    const Outcome o = predict(arguments);
    EXPECT_EQ(o.exit_code, 2) << arguments << "\n" << o.err;
    EXPECT_EQ(o.out, "") << arguments;
    EXPECT_NE(o.err, "") << arguments;
  }
}

TEST_F(PredictProgram, BrokenCalibrationsAreNamed) {
  for (const char* text : {"", "{\"format\": \"forerun-calib", "[]",
                           "{\"format\": \"forerun-calibration\", \"version\": 99}"}) {
    const fs::path file = write("broken.json", text);
    const Outcome o =
        predict("--model densenet121 --batch 128 --calibration '" + file.string() + "'");
    EXPECT_EQ(o.exit_code, 1) << text;
    EXPECT_NE(o.err.find("broken.json"), std::string::npos) << o.err;
    EXPECT_EQ(read_file(file), text);
  }
}

TEST_F(PredictProgram, CalibrationsThatLostAPartAreNamed) {
  const Json whole = Json::parse(read_file(folder_ / "calibration.json"));
  const std::string network = "/networks/0/hypotheses/0", workload = "/workloads/0";
  for (const std::string& part :
       {network + "/network_covariance/0", network + "/network/estimate/0", network,
        workload + "/hypotheses/0/prior_mean/0", workload + "/batches_measured",
        workload + "/points", workload + "/shape_log_factor/0"}) {
    Json damaged = whole;
    Json& from = damaged.at(Json::json_pointer(part).parent_pointer());
    Json& taken = damaged.at(Json::json_pointer(part));
    if (taken.is_array()) {
      taken = Json::array();
    } else {
      from.erase(from.begin());
    }
    const fs::path file = write("damaged.json", damaged.dump());
    const Outcome o =
        predict("--model densenet121 --batch 128 --calibration '" + file.string() + "'");
    EXPECT_EQ(o.exit_code, 1) << part << o.out;
    EXPECT_NE(o.err.find("calibrate again"), std::string::npos) << part << ": " << o.err;
  }
}

/// What --points answers to `points` once `rows` are calibrated.
class PredictPoints : public PredictProgram {
 protected:
  std::string answer(const std::vector<Observation>& rows, const std::string& points) {
    save_calibration(folder_ / "calibration.json", calibrate_observations(rows, "made by hand"));
    const Outcome o = predict("--points '" + write("points.csv", points).string() + "' --csv");
    EXPECT_EQ(o.exit_code, 0) << o.err;
    return o.out;
  }
};

void expect_line(const std::string& text, const std::string& beginning) {
  EXPECT_NE(text.find("\n" + beginning), std::string::npos) << text;
}

TEST_F(PredictPoints, OfSeveralClustersAndPrecisions) {
  std::vector<Observation> rows;
  for (const char* cluster : {"here", "there"}) {
    for (Observation o : hand_made_observations({.precision = "bfloat16"})) {
      o.cluster = cluster;
      rows.push_back(o);
    }
  }
  const std::string out = answer(rows,
                                 "cluster,model,nodes,gpus,local_batch,precision\n"
                                 "here,net,1,4,16,bfloat16\n"
                                 "there,net,1,4,16,float32\n"
                                 "elsewhere,net,1,4,16,bfloat16\n");
  expect_line(out, "here,net,1,4,16,bfloat16,0.");
  expect_line(out, "there,net,1,4,16,float32,,,,refused,");
  expect_line(out, "elsewhere,net,1,4,16,bfloat16,,,,refused,");
}

TEST_F(PredictPoints, OneClusterDoesNotSpeakForAnother) {
  std::vector<Observation> rows = hand_made_observations({});
  for (Observation& o : rows) o.cluster = "here";
  const std::string out = answer(rows,
                                 "cluster,model,nodes,gpus,local_batch\n"
                                 "here,net,1,4,16\n"
                                 ",net,1,4,16\n"
                                 "there,net,1,4,16\n");
  expect_line(out, "here,net,1,4,16,0.");
  expect_line(out, ",net,1,4,16,0.");
  expect_line(out, "there,net,1,4,16,,,,refused,cluster there was never measured");
}

TEST_F(PredictProgram, PointsComeBackInOrder) {
  const fs::path file = write("points.csv",
                              "local_batch,model,gpus,nodes,step_time_s,colour\n"
                              "32,densenet121,2,1,not read,red\n"
                              "32,densenet121,8,2,,green\n"
                              "32,unknown,1,1,,blue\n");
  const Outcome o = predict("--points '" + file.string() + "' --csv");
  EXPECT_EQ(o.exit_code, 0) << o.err;
  EXPECT_NE(o.out.find("\n32,densenet121,2,1,not read,red,0."), std::string::npos) << o.out;
  EXPECT_NE(o.out.find("\n32,densenet121,8,2,,green,,,,refused,"), std::string::npos) << o.out;
  EXPECT_NE(o.out.find("\n32,unknown,1,1,,blue,,,,refused,"), std::string::npos) << o.out;
}

TEST_F(PredictProgram, BadPointsNameTheLine) {
  const fs::path file = write("points.csv", "model,nodes,gpus,local_batch\ndensenet121,1,0,32\n");
  const Outcome o = predict("--points '" + file.string() + "' --csv");
  EXPECT_EQ(o.exit_code, 1);
  EXPECT_NE(o.err.find("points.csv:2: gpus = 0"), std::string::npos) << o.err;
  EXPECT_EQ(o.out, "");
}

TEST_F(PredictProgram, AFullDiskIsNoticed) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const std::string line =
      "FORERUN_HOME='" + folder_.string() +
      "' '" FORERUN_BIN_DIR
      "/predict' --model densenet121 --batch 128 --json >/dev/full 2>/dev/null";
  EXPECT_EQ(WEXITSTATUS(std::system(line.c_str())), 1);
}

TEST_F(PredictProgram, HelpShowsDefaults) {
  const Outcome o = predict("--help");
  EXPECT_EQ(o.exit_code, 0);
  EXPECT_NE(o.out.find("balanced"), std::string::npos);
  EXPECT_NE(o.out.find("efficiency of at least 50 %"), std::string::npos);
}

}  // namespace
}  // namespace forerun
