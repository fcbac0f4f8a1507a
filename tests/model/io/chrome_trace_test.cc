#include "model/io/chrome_trace.h"

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(ChromeTrace, BarsBecomeCompleteEventsInMicroseconds) {
  const Json trace = chrome_trace({{"measured", "compute", "forward", 0.5, 0.25},
                                   {"measured", "communication", "all-reduce", 0.75, 1},
                                   {"simulated", "compute", "forward", 0, 0.25}});
  std::vector<Json> bars;
  std::vector<std::string> names;
  for (const Json& event : trace.at("traceEvents")) {
    if (event.at("ph") == "X") bars.push_back(event);
    if (event.at("ph") == "M" && event.at("args").contains("name")) {
      names.push_back(event.at("args").at("name"));
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"measured", "compute", "communication", "simulated",
                                             "compute"}));
  ASSERT_EQ(bars.size(), 3u);
  EXPECT_DOUBLE_EQ(bars[0].at("ts").get<double>(), 500000);
  EXPECT_DOUBLE_EQ(bars[0].at("dur").get<double>(), 250000);
  EXPECT_EQ(bars[0].at("pid"), bars[1].at("pid"));
  EXPECT_NE(bars[0].at("tid"), bars[1].at("tid"));
  EXPECT_NE(bars[0].at("pid"), bars[2].at("pid"));
}

}  // namespace
}  // namespace forerun
