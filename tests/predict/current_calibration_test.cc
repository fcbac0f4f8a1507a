#include "predict/current_calibration.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "model/error.h"
#include "model/io/atomic_file.h"

namespace forerun {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

class CurrentCalibration : public testing::Test {
 protected:
  CurrentCalibration()
      : store_((fs::temp_directory_path() /
                ("current_calibration_" + std::to_string(getpid()) + "_" +
                 testing::UnitTest::GetInstance()->current_test_info()->name()))
                   .string()) {
    fs::create_directories(store_.folder);
  }
  ~CurrentCalibration() override { fs::remove_all(store_.folder); }

  static Calibration labelled(const std::string& source, const std::string& label) {
    Calibration c;
    c.source = source;
    c.label = label;
    return c;
  }

  void keep(const std::string& source) {
    save_calibration(store_.calibration(), labelled(source, "kept"));
  }
  void keep_profile(hours newer_by) {
    Profile p;
    p.machine.fingerprint = "cpu";
    p.machine.device = "cpu";
    p.machine.max_ranks = 1;
    p.machine.hosts.push_back({.hostname = "a", .processor = "p", .cores = 1});
    save_profile(store_.profile(), p);
    fs::last_write_time(store_.profile(), fs::file_time_type::clock::now() + newer_by);
  }

  /// The label says where the calibration came from.
  std::string label() {
    const auto calibrate = [](const Profile&) { return labelled("profile.json", "fresh"); };
    const auto warn = [this](const std::string& text) { warnings_ += text; };
    return current_calibration(store_, "", calibrate, warn).label;
  }

  Store store_;
  std::string warnings_;
};

TEST_F(CurrentCalibration, IsReadWhereItIsNewer) {
  keep_profile(-hours(1));
  keep("profile.json");
  EXPECT_EQ(label(), "kept");
}

TEST_F(CurrentCalibration, IsMadeAgainAndSavedWhereTheProfileIsNewer) {
  keep("here/profile.json");
  keep_profile(hours(1));
  EXPECT_EQ(label(), "fresh");
  EXPECT_EQ(load_calibration(store_.calibration()).label, "fresh");
  EXPECT_EQ(warnings_, "");
}

TEST_F(CurrentCalibration, IsMadeWhereThereIsOnlyAProfile) {
  keep_profile(hours(0));
  EXPECT_EQ(label(), "fresh");
}

TEST_F(CurrentCalibration, OfObservationsIsKeptWithAWarning) {
  keep("others.csv");
  keep_profile(hours(1));
  EXPECT_EQ(label(), "kept");
  EXPECT_NE(warnings_.find("others.csv"), std::string::npos);
}

TEST_F(CurrentCalibration, DamagedSaysHowToHaveAnother) {
  write_file_atomically(store_.calibration(), "{\"format\": \"forerun-cal");
  EXPECT_THROW(label(), Error);
  keep_profile(-hours(1));
  try {
    label();
    FAIL() << "a damaged calibration was read";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("calibration.json"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("`calibrate` makes it anew"), std::string::npos);
  }
  EXPECT_EQ(read_file(store_.calibration()), "{\"format\": \"forerun-cal");
}

TEST_F(CurrentCalibration, OfNothingIsRefused) { EXPECT_THROW(label(), Refusal); }

}  // namespace
}  // namespace forerun
