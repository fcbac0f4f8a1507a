#include "model/io/profile.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/model/io/sample_profile.h"
#include "tests/support.h"

namespace forerun {
namespace {

TEST(Profile, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  const auto first = folder.path() / "1.json", second = folder.path() / "2.json";
  save_profile(first, sample_profile());
  const Profile read = load_profile(first);
  save_profile(second, read);
  EXPECT_EQ(slurp(first), slurp(second));

  EXPECT_EQ(read.machine.libraries.at("blas"), "OpenBLAS");
  EXPECT_EQ(read.machine.hosts.at(0).cores, 12);
  EXPECT_EQ(read.network.at(0).placement, Placement({12}));
  const WorkloadProfile& workload = read.workloads.at(0);
  EXPECT_EQ(workload.noise_scale, 1200);
  const MeasuredConfiguration& measured = workload.configurations.at(0);
  EXPECT_EQ(measured.at, sample_configuration().at);
  EXPECT_EQ(measured.peak_memory_bytes, 1.5e9);
  EXPECT_EQ(measured.gpus.at(0).allocated_bytes, 1.1e9);
  EXPECT_EQ(measured.gpus.at(0).reserved_bytes, 1.2e9);
  EXPECT_EQ(measured.gpus.at(0).library_bytes, 3e8);
  EXPECT_EQ(measured.gpus.at(0).nccl_bytes, 2e8);
  EXPECT_EQ(measured.gpus.at(0).free_at_start_bytes, 8e10);
  EXPECT_EQ(measured.buckets.at(1).size_bytes, 26214400);
  EXPECT_EQ(measured.ranks.at(1).backward_s, (std::vector<double>{0.08, 0.082}));
  EXPECT_EQ(measured.ranks.at(1).timeline, sample_configuration().ranks.at(1).timeline);
  EXPECT_EQ(measured.ranks.at(1).quiet_comm_s, std::vector<double>{0.03});
  EXPECT_EQ(measured.communication, sample_configuration().communication);
  EXPECT_EQ(measured.optimizer_state_bytes, 46758048);
  EXPECT_EQ(workload.configurations.at(1).status, "out_of_memory");
  EXPECT_TRUE(workload.configurations.at(1).ranks.empty());
}

TEST(Profile, KeepsEveryDigitOfASample) {
  const TemporaryFolder folder;
  Profile profile = sample_profile();
  profile.network[0].samples_s = {0.1 + 0.2, 1.0 / 3, 5e-324, 1.7e308};
  save_profile(folder.path() / "p.json", profile);
  EXPECT_EQ(load_profile(folder.path() / "p.json").network[0].samples_s,
            profile.network[0].samples_s);
}

TEST(Profile, FindsByNameAndConfiguration) {
  Profile profile = sample_profile();
  ASSERT_NE(profile.find("resnet18"), nullptr);
  EXPECT_EQ(profile.find("resnet50"), nullptr);
  Configuration at = sample_configuration().at;
  EXPECT_NE(profile.find("resnet18")->find(at), nullptr);
  at.accumulation = 3;
  EXPECT_EQ(profile.find("resnet18")->find(at), nullptr);
}

TEST(MeasuredConfiguration, AStepIsOverWhenTheLastRankIs) {
  MeasuredConfiguration measured;
  measured.ranks = {{.step_time_s = {0.5, 0.2}}, {.step_time_s = {0.4, 0.3}}};
  EXPECT_EQ(measured.step_times(), (std::vector<double>{0.5, 0.3}));
  EXPECT_TRUE(MeasuredConfiguration().step_times().empty());
}

/// Saves the sample, changes its document, and loads it again.
class BadProfile : public testing::Test {
 protected:
  std::string error(const std::function<void(Json&)>& change) const {
    const auto path = folder_.path() / "profile.json";
    save_profile(path, sample_profile());
    Json document = Json::parse(slurp(path));
    change(document);
    folder_.write("profile.json", document.dump());
    return error_of([&] { load_profile(path); }, path.string() + ": ");
  }
  TemporaryFolder folder_;
};

TEST_F(BadProfile, NamesThePlace) {
  EXPECT_EQ(error([](Json& d) { d.erase("machine"); }), "has no \"machine\"");
  EXPECT_EQ(error([](Json& d) { d["machine"].erase("fingerprint"); }),
            "/machine: has no \"fingerprint\"");
  EXPECT_EQ(error([](Json& d) { d["machine"]["max_ranks"] = 0; }),
            "/machine/max_ranks: is 0 (must be a whole number >= 1)");
  EXPECT_EQ(error([](Json& d) { d["network"][0]["samples_s"][1] = 0; }),
            "/network/0/samples_s/1: is 0 (must be > 0)");
  EXPECT_EQ(
      error([](Json& d) { d["network"][0]["placement"] = "4x4"; }),
      "/network/0/placement: placement \"4x4\" (expected GPUs per node such as 4+4+2 or 442)");
  const auto ranks = [](Json& d) -> Json& {
    return d["workloads"][0]["configurations"][0]["ranks"];
  };
  const std::string place = "/workloads/0/configurations/0/ranks/1/";
  EXPECT_EQ(error([&](Json& d) { ranks(d)[1]["step_time_s"][0] = -1; }),
            place + "step_time_s/0: is -1 (must be >= 0)");
  EXPECT_EQ(error([&](Json& d) { ranks(d)[1]["step_time_s"][0] = 0; }),
            place + "step_time_s/0: is 0 (must be > 0)");
  EXPECT_EQ(error([&](Json& d) { ranks(d)[1]["forward_s"][0] = nullptr; }),
            place + "forward_s/0: is null (expected a finite number)");
  EXPECT_EQ(error([&](Json& d) { ranks(d)[1]["load_s"].erase(0); }),
            place + "load_s: has 1 steps (step_time_s has 2)");
  EXPECT_EQ(error([](Json& d) { d["version"] = 2; }),
            "forerun-profile version 2 is newer than this program reads (1); update Forerun");
}

// Cut anywhere, the file is refused with its name; never a crash, never half a profile.
TEST_F(BadProfile, ATruncatedFileIsRefusedWhereverItEnds) {
  const auto path = folder_.path() / "profile.json";
  save_profile(path, sample_profile());
  const std::string whole = slurp(path);
  for (size_t size = 0; size + 2 < whole.size(); size += 7) {
    folder_.write("profile.json", whole.substr(0, size));
    const std::string found = error_of([&] { load_profile(path); }, path.string());
    EXPECT_EQ(found.compare(0, 2, ": "), 0) << size << found;
  }
}

TEST(SaveProfile, ATimeThatIsNoNumberIsNeverWritten) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "profile.json";
  Profile profile = sample_profile();
  save_profile(path, profile);
  const std::string before = slurp(path);
  profile.network[0].samples_s[0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(save_profile(path, profile), Error);
  EXPECT_EQ(slurp(path), before);
}

TEST(SameMachine, CountsKindsOfHostsNotHosts) {
  const auto same = [](const std::string& a, const std::string& b) {
    Machine one, other;
    one.fingerprint = a;
    other.fingerprint = b;
    return same_machine(one, other);
  };
  EXPECT_TRUE(same("cpu; 1 x EPYC with 64 cores; 1 thread per rank",
                   "cpu; 16 x EPYC with 64 cores; 1 thread per rank"));
  EXPECT_FALSE(same("cuda; 1 x EPYC with 64 cores and 8 x H200; 1 thread per rank",
                    "cuda; 1 x EPYC with 64 cores and 4 x H200; 1 thread per rank"));
  EXPECT_FALSE(same("cpu; 1 x EPYC with 64 cores; 1 thread per rank",
                    "cpu; 1 x EPYC with 64 cores; 2 threads per rank"));
}

TEST(CollectiveTimes, AreFromTheLastRanksStartToTheLastRanksEnd) {
  MeasuredConfiguration m;
  m.ranks.resize(2);
  m.ranks[0].timeline = {{"allreduce", 0, 100, {}, {0.1, 0.2}, {0.4, 0.6}},
                         {"allreduce", 1, 100, {}, {0.5, 0.7}, {0.6, 0.8}}};
  m.ranks[1].timeline = {{"allreduce", 0, 100, {}, {0.3, 0.2}, {0.4, 0.7}},
                         {"allreduce", 1, 100, {}, {0.4, 0.5}, {0.6, 0.8}}};
  const std::vector<double> times = m.collective_times();
  ASSERT_EQ(times.size(), 2u);
  EXPECT_NEAR(times[0], 0.1 + 0.1, 1e-12);
  EXPECT_NEAR(times[1], 0.5 + 0.1, 1e-12);
  m.gpus.resize(2);  // there a collective begins where its rank arrives
  EXPECT_NEAR(m.collective_times().at(0), 0.1 + 0.1, 1e-12);
  EXPECT_NEAR(m.collective_times().at(1), 0.4 + 0.1, 1e-12);
  m.gpus.clear();
  m.ranks[1].timeline.pop_back();  // another part of the exchange: the first speaks for its own
  EXPECT_NEAR(m.collective_times().at(0), 0.3 + 0.1, 1e-12);
  m.ranks[0].timeline.clear();
  EXPECT_TRUE(m.collective_times().empty());
}

}  // namespace
}  // namespace forerun
