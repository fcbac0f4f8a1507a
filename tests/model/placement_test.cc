#include "model/placement.h"

#include <numeric>

#include "model/error.h"
#include "tests/model/laws.h"

namespace forerun {
namespace {

TEST(Placement, ParsesSeparatedAndPacked) {
  EXPECT_EQ(Placement::parse("4+4+2"), Placement({4, 4, 2}));
  EXPECT_EQ(Placement::parse("442"), Placement({4, 4, 2}));
  EXPECT_EQ(Placement::parse("16+16"), Placement({16, 16}));
  EXPECT_EQ(Placement::parse("8"), Placement({8}));
}

TEST(Placement, LargestNodeFirst) {
  EXPECT_EQ(Placement::parse("2+4+4").text(), "4+4+2");
  EXPECT_EQ(Placement::parse("244"), Placement::parse("4+4+2"));
}

TEST(Placement, RefusesWhatIsNone) {
  for (const char* text : {"", "+", "4+", "+4", "4++4", "0", "4+0", "402", "-4", "4,4", "4 4", "a",
                           "4+a", "4.5", "99999999999+1"}) {
    try {
      Placement::parse(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), ("placement \"" + std::string(text) +
                                  "\" (expected GPUs per node such as 4+4+2 or 442)")
                                     .c_str());
    }
  }
}

TEST(Placement, NeedsANodeAndARankOnEach) {
  EXPECT_THROW(Placement(std::vector<int>{}), Error);
  EXPECT_THROW(Placement({4, 0}), Error);
  EXPECT_THROW(Placement::even(3, 2), Error);
  EXPECT_THROW(Placement::even(0, 2), Error);
}

TEST(Placement, EvenByHand) {
  EXPECT_EQ(Placement::even(3, 10), Placement({4, 3, 3}));
  EXPECT_EQ(Placement::even(1, 7), Placement({7}));
}

TEST(Placement, CountsByHand) {
  const Placement placement({3, 2});
  EXPECT_EQ(placement.nodes(), 2);
  EXPECT_EQ(placement.world_size(), 5);
  EXPECT_EQ(placement.max_ranks_per_node(), 3);
  EXPECT_DOUBLE_EQ(placement.mean_ranks_per_node(), 2.5);
}

RC_GTEST_PROP(PlacementLaw, EvenLosesNoRankAndDiffersByAtMostOne, ()) {
  const int nodes = between(1, 50), world_size = between(nodes, 1000);
  const Placement placement = Placement::even(nodes, world_size);
  RC_ASSERT(placement.nodes() == nodes);
  RC_ASSERT(placement.world_size() == world_size);
  RC_ASSERT(placement.ranks_per_node().front() - placement.ranks_per_node().back() <= 1);
}

RC_GTEST_PROP(PlacementLaw, FromTextReadsWhatTextWrites, ()) {
  const Placement placement = any_placement();
  RC_ASSERT(Placement::from_text(placement.text()) == placement);
}

}  // namespace
}  // namespace forerun
