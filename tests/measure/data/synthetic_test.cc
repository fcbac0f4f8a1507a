#include <gtest/gtest.h>

#include "measure/data/dataset.h"
#include "model/error.h"

namespace forerun {
namespace {

SyntheticData images(uint64_t seed) {
  return {.shape = InputShape::image(3, 4, 5),
          .classes = 7,
          .size = 1000,
          .distinct = 64,
          .seed = seed};
}

TEST(Synthetic, IsTheSameForTheSameSeed) {
  const Batch a = make_synthetic(images(1))->get({0, 5, 999});
  torch::rand({10});  // the global generator has no part in it
  const Batch b = make_synthetic(images(1))->get({0, 5, 999});
  EXPECT_TRUE(a.inputs.equal(b.inputs));
  EXPECT_TRUE(a.targets.equal(b.targets));
  EXPECT_FALSE(a.inputs.equal(make_synthetic(images(2))->get({0, 5, 999}).inputs));
}

TEST(Synthetic, ImagesAreNormalAndClassesCoverTheirRange) {
  std::vector<int64_t> all(64);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  const std::shared_ptr<Dataset> data = make_synthetic(images(1));
  const Batch batch = data->get(all);
  EXPECT_EQ(data->size(), 1000);
  EXPECT_EQ(batch.inputs.sizes(), (std::vector<int64_t>{64, 3, 4, 5}));
  EXPECT_NEAR(batch.inputs.mean().item<double>(), 0, 0.1);
  EXPECT_NEAR(batch.inputs.std().item<double>(), 1, 0.1);
  EXPECT_EQ(batch.targets.min().item<int64_t>(), 0);
  EXPECT_EQ(batch.targets.max().item<int64_t>(), 6);
}

TEST(Synthetic, RepeatsItsDistinctSamples) {
  const Batch batch = make_synthetic(images(1))->get({3, 67});
  EXPECT_TRUE(batch.inputs[0].equal(batch.inputs[1]));
}

TEST(Synthetic, TextsHaveATargetForEveryTokenWhereAsked) {
  SyntheticData text = {.shape = InputShape::text(6), .classes = 9, .vocabulary = 30, .size = 100};
  const Batch whole = make_synthetic(text)->get({0, 1});
  EXPECT_EQ(whole.inputs.sizes(), (std::vector<int64_t>{2, 6}));
  EXPECT_EQ(whole.targets.dim(), 1);
  EXPECT_LT(whole.inputs.max().item<int64_t>(), 30);
  text.per_token = true;
  EXPECT_EQ(make_synthetic(text)->get({0, 1}).targets.sizes(), whole.inputs.sizes());
}

TEST(Synthetic, RefusesNothing) {
  SyntheticData none = images(0);
  none.size = 0;
  EXPECT_THROW(make_synthetic(none), Error);
  EXPECT_THROW(make_synthetic({.shape = InputShape::text(4)}), Error);
  EXPECT_THROW(make_synthetic(images(0))->get({1000}), Error);
  EXPECT_THROW(make_synthetic(images(0))->get({-1}), Error);
}

}  // namespace
}  // namespace forerun
