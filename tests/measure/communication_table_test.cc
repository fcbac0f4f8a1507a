#include "measure/communication_table.h"

#include <gtest/gtest.h>

namespace forerun {
namespace {

MeasuredConfiguration on_two_ranks(size_t processes = 2, size_t steps = 8) {
  MeasuredConfiguration c;
  c.at.placement = Placement({2});
  c.at.local_batch = 64;
  for (size_t r = 0; r < processes; ++r) {
    RankSteps rank;
    rank.rank = static_cast<int>(r);
    rank.step_time_s.assign(steps, 0.1);
    rank.quiet_backward_s.assign(steps, 0.05);
    rank.timeline.resize(1);
    rank.timeline.front().end_s.assign(steps, 0.01);
    c.ranks.push_back(rank);
  }
  return c;
}

std::string table_of(const MeasuredConfiguration& c) {
  WorkloadProfile workload;
  workload.configurations = {c};
  return communication_table(workload);
}

std::string last_line(const std::string& text) {
  return text.substr(text.rfind('\n', text.size() - 2) + 1);
}

TEST(CommunicationTable, HasEachFigureWithItsInterval) {
  MeasuredConfiguration c = on_two_ranks();
  c.communication.exposed_s = {4e-4, 3e-4, 5e-4};
  c.communication.waiting_s = {0.0104, 0.009, 0.012};
  c.communication.slower_inside = {1.823, 1.5, 2.1};
  c.communication.slows_compute = {1.05, 1.01, 1.1};
  EXPECT_EQ(table_of(c),
            "  communication ranks  local  exposed                   waiting                   "
            "collectives         backward\n"
            "  ddp               2     64  400 us (300-500 us)       10.4 ms (9.00-12.0 ms)    "
            "1.82 (1.50-2.10)    1.05 (1.01-1.10)\n");
}

TEST(CommunicationTable, SaysWhyAFigureIsMissing) {
  EXPECT_EQ(last_line(table_of(on_two_ranks(2, 1))),
            "  ddp               2     64  no: too few steps         no: too few steps         "
            "no: too few steps   no: too few steps\n");
  MeasuredConfiguration one_process = on_two_ranks(1);
  one_process.communication.exposed_s = {4e-4, 3e-4, 5e-4};
  EXPECT_EQ(last_line(table_of(one_process)),
            "  ddp               2     64  400 us (300-500 us)       no: one process           "
            "no: one process     no: one process\n");
  MeasuredConfiguration not_swept = on_two_ranks();
  not_swept.communication.exposed_s = {4e-4, 3e-4, 5e-4};
  not_swept.communication.waiting_s = {4e-4, 3e-4, 5e-4};
  not_swept.communication.slows_compute = {1.05, 1.01, 1.1};
  EXPECT_EQ(last_line(table_of(not_swept)),
            "  ddp               2     64  400 us (300-500 us)       400 us (300-500 us)       "
            "no: not swept       1.05 (1.01-1.10)\n");
}

TEST(CommunicationTable, HasNothingOfOneRank) {
  MeasuredConfiguration c = on_two_ranks(1);
  c.at.placement = Placement({1});
  EXPECT_EQ(table_of(c), "  communication: not measured (one rank)\n");
}

}  // namespace
}  // namespace forerun
