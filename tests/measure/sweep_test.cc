#include "measure/sweep.h"

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(SweepSizes, EndWithTheLargest) {
  SweepOptions options;
  options.smallest_bytes = 1024;
  options.largest_bytes = 8192;
  EXPECT_EQ(sweep_sizes(options), (std::vector<double>{1024, 4096, 8192}));
  options.largest_bytes = 4096;
  EXPECT_EQ(sweep_sizes(options), (std::vector<double>{1024, 4096}));
}

TEST(SweepSizes, GoFrom1KiBTo512MiB) {
  const std::vector<double> sizes = sweep_sizes({});
  EXPECT_EQ(sizes.front(), 1024);
  EXPECT_EQ(sizes.back(), 512.0 * 1024 * 1024);
}

TEST(SweepBytes, AreWholeBlocks) {
  EXPECT_EQ(sweep_bytes(Collective::kAllreduce, 1024, 3), 1024);
  EXPECT_EQ(sweep_bytes(Collective::kAllGather, 1024, 3), 85 * 12);  // 3 floats a unit
  EXPECT_EQ(sweep_bytes(Collective::kReduceScatter, 4, 64), 256);    // at least one each
}

Unswept unswept(const std::string& collective, const Placement& placement, double size_bytes) {
  return {{collective, "mpi", placement, size_bytes, {}}, 1};
}

TEST(UnsweptSizes, NamePlacementsWhereOthersHaveTheSize) {
  const Placement two({2}), four({2, 2});
  EXPECT_EQ(unswept_sizes({unswept("allreduce", four, 1e6), unswept("allreduce", two, 4e6),
                           unswept("allreduce", four, 4e6)},
                          2),
            "1.00 MB (" + four.text() + "), 4.00 MB");
  EXPECT_EQ(unswept_sizes({unswept("reduce", four, 1e6), unswept("broadcast", four, 1e6)}, 4),
            "1.00 MB (" + four.text() + ")");
  EXPECT_EQ(unswept_sizes({}, 2), "");
}

TEST(CollectivesOf, AreWhatStrategiesSendBetweenProcesses) {
  using enum Collective;
  EXPECT_EQ(collectives_of({"ddp"}), (std::vector{kAllreduce}));
  EXPECT_EQ(collectives_of({"serial", "dataparallel"}), (std::vector{kAllreduce}));
  EXPECT_EQ(collectives_of({"zero1", "ddp"}),
            (std::vector{kAllreduce, kReduceScatter, kAllGather}));
  EXPECT_EQ(collectives_of({"hierarchical"}), (std::vector{kAllreduce, kReduce, kBroadcast}));
}

}  // namespace
}  // namespace forerun
