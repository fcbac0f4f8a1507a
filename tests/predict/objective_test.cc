#include "predict/objective.h"

#include <gtest/gtest.h>

#include "model/error.h"

namespace forerun {
namespace {

TEST(ParseObjective, ReadsEveryKind) {
  EXPECT_EQ(parse_objective("balanced").kind, Objective::Kind::kBalanced);
  EXPECT_EQ(parse_objective("fastest").kind, Objective::Kind::kFastest);
  EXPECT_EQ(parse_objective("cheapest").kind, Objective::Kind::kCheapest);
  EXPECT_DOUBLE_EQ(parse_objective("efficient").limit, 0.7);
  EXPECT_DOUBLE_EQ(parse_objective("efficient:85").limit, 0.85);
  EXPECT_DOUBLE_EQ(parse_objective("efficient:85%").limit, 0.85);
  EXPECT_DOUBLE_EQ(parse_objective("deadline:2h").limit, 7200);
  EXPECT_DOUBLE_EQ(parse_objective("budget:12.5").limit, 12.5);
}

TEST(ParseObjective, ReadsBackItsOwnText) {
  for (const char* text : {"balanced", "fastest", "cheapest", "efficient:85", "deadline:90s",
                           "deadline:2h", "deadline:3d", "budget:12.5"}) {
    EXPECT_EQ(parse_objective(text).text(), text);
  }
}

TEST(ParseObjective, NamesTheKnownOnes) {
  for (const char* text : {"", "quickest", "fastest:3", "deadline", "budget"}) {
    try {
      parse_objective(text);
      FAIL() << text;
    } catch (const UsageError& error) {
      const std::string what = error.what();
      EXPECT_TRUE(what.find("deadline:TIME") != std::string::npos ||
                  what.find("such as") != std::string::npos)
          << what;
    }
  }
}

TEST(ParseObjective, RefusesLimitsThatMakeNoSense) {
  for (const char* text :
       {"efficient:0", "efficient:101", "efficient:-5", "efficient:nan", "efficient:x",
        "deadline:0s", "deadline:5", "budget:0", "budget:-1", "budget:inf"}) {
    EXPECT_THROW(parse_objective(text), UsageError) << text;
  }
}

}  // namespace
}  // namespace forerun
