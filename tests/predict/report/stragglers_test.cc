#include "predict/report/stragglers.h"

#include <gtest/gtest.h>

namespace forerun {
namespace {

RankSteps rank(const std::string& host, double compute_s) {
  RankSteps steps;
  steps.host = host;
  steps.load_s = steps.exposed_comm_s = steps.optimizer_s = {0, 0, 0};
  steps.forward_s = {1, 1, 1};
  steps.backward_s.assign(3, compute_s - 1);
  steps.step_time_s = {9, 9, 9};
  return steps;
}

Profile with_steps(const std::vector<RankSteps>& ranks) {
  Profile profile;
  MeasuredConfiguration measured;
  measured.ranks = ranks;
  profile.workloads.emplace_back();
  profile.workloads.back().configurations.push_back(measured);
  return profile;
}

// 4 s against 2 s: twice as long.
TEST(Stragglers, NamesTheHostThatComputesLonger) {
  const Profile profile = with_steps({rank("a", 2), rank("b", 4), rank("c", 2.1), rank("d", 2)});
  const auto found = slow_hosts(profile);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].host, "b");
  EXPECT_NEAR(found[0].ratio, 2, 1e-12);
  ASSERT_EQ(straggler_notes(profile).size(), 1u);
  EXPECT_NE(straggler_notes(profile)[0].find("host b computes 2.0 times"), std::string::npos);
}

TEST(Stragglers, OfTwoHostsTheSlowerOne) {
  const auto found = slow_hosts(with_steps({rank("a", 4), rank("b", 2)}));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].host, "a");
}

TEST(Stragglers, EqualHostsAndOneHostAreNone) {
  EXPECT_TRUE(slow_hosts(with_steps({rank("a", 2), rank("b", 2.2), rank("c", 2)})).empty());
  EXPECT_TRUE(slow_hosts(with_steps({rank("a", 2), rank("a", 4)})).empty());
  EXPECT_TRUE(straggler_notes(Profile()).empty());
}

/// A ring of hosts a, b, c, ... whose pairs take these times.
Profile with_pairs(const std::vector<double>& times) {
  Profile profile;
  const auto name = [](size_t i) { return std::string(1, static_cast<char>('a' + i)); };
  for (size_t i = 0; i < times.size(); ++i) {
    profile.pairs.push_back({name(i), name((i + 1) % times.size()), 1e6, {times[i]}});
  }
  return profile;
}

// c's link is half as fast: both of its pairs (b-c, c-d) show it; b and d have another, fast one.
TEST(Stragglers, NamesTheLinkThatBothPairsShow) {
  const auto found = slow_links(with_pairs({1, 2, 2, 1}));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].host, "c");
  EXPECT_NEAR(found[0].ratio, 2, 1e-12);
}

TEST(Stragglers, OneSlowPairIsNobodysLink) {
  EXPECT_TRUE(slow_links(with_pairs({1, 2, 1, 1})).empty());
  EXPECT_TRUE(slow_links(with_pairs({1, 1, 1})).empty());
}

}  // namespace
}  // namespace forerun
