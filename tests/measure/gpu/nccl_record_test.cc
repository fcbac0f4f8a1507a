// NCCL's log, written as NCCL writes it: to the file that its environment names.
#include "measure/nccl_record.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/measure/gpu/setting.h"
#include "tests/support.h"

namespace forerun {
namespace {

void write_lines(int count) {
  FILE* file = std::fopen(std::getenv("NCCL_DEBUG_FILE"), "w");
  ASSERT_NE(file, nullptr);
  std::fputs("host:1:1 [0] NCCL INFO NCCL version 2.28.9+cuda13.0\n", file);
  for (int i = 1; i <= count; ++i) {
    std::fprintf(file,
                 "host:1:2 [0] NCCL INFO AllReduce: %d Bytes -> Algo RING proto SIMPLE "
                 "channel{Lo..Hi}={0..7}\n",
                 4 * i);
  }
  std::fclose(file);
}

TEST(NcclLog, IsReadToTheEndAndKeptInPart) {
  const Setting file("NCCL_DEBUG_FILE", nullptr);
  const Setting level("NCCL_DEBUG", "WARN");
  const Setting parts("NCCL_DEBUG_SUBSYS", nullptr);
  const TemporaryFolder folder;
  NcclLog log(folder.path() / "nccl", 3);
  EXPECT_STREQ(std::getenv("NCCL_DEBUG"), "INFO");
  write_lines(100000);  // some 10 MB
  NcclReport report = log.report();
  for (int i = 0; i < 100 && (report.choices.empty() || report.choices[0].largest_bytes < 4e5);
       ++i) {
    report = log.report();
  }
  EXPECT_EQ(report.version, "2.28.9+cuda13.0");
  ASSERT_EQ(report.choices.size(), 1);
  EXPECT_EQ(report.choices[0].smallest_bytes, 4);
  EXPECT_EQ(report.choices[0].largest_bytes, 400000);
  EXPECT_EQ(std::filesystem::file_size(folder.path() / "nccl" / "rank-3.log"), NcclLog::kKept);
}

TEST(NcclLog, IsLeftToTheUserWhoSentItElsewhere) {
  const Setting file("NCCL_DEBUG_FILE", "/dev/null");
  const TemporaryFolder folder;
  const NcclLog log(folder.path() / "nccl", 0);
  EXPECT_STREQ(std::getenv("NCCL_DEBUG_FILE"), "/dev/null");
  EXPECT_TRUE(log.report().empty());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "nccl"));
}

}  // namespace
}  // namespace forerun
