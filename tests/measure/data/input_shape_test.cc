#include "measure/data/input_shape.h"

#include <gtest/gtest.h>

#include "model/error.h"

namespace forerun {
namespace {

TEST(InputShape, ReadsImagesAndTexts) {
  EXPECT_EQ(InputShape::parse("3x224x200"), InputShape::image(3, 224, 200));
  EXPECT_EQ(InputShape::parse("128"), InputShape::text(128));
  EXPECT_EQ(InputShape::parse("3x224x200").text(), "3x224x200");
  EXPECT_EQ(InputShape::parse("128").text(), "128");
}

TEST(InputShape, RefusesAnythingElse) {
  for (const char* text : {"", "x", "0", "-1", "3x", "3x4", "3x4x", "3x4x0", "3x4x5x6", "3 x4x5",
                           "3x4x5 ", "1e3", "99999999999"}) {
    EXPECT_THROW(InputShape::parse(text), UsageError) << text;
  }
}

}  // namespace
}  // namespace forerun
