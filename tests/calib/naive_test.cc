#include "calib/naive.h"

#include <gtest/gtest.h>

#include "model/error.h"

namespace forerun {
namespace {

FitPoint point(int nodes, int gpus, int batch, double seconds) {
  return {{.placement = Placement::even(nodes, gpus), .local_batch = batch}, seconds};
}

Configuration at(int nodes, int gpus, int batch) {
  return {.placement = Placement::even(nodes, gpus), .local_batch = batch};
}

TEST(Naive, IdealKeepsTheOneGpuStepTime) {
  const NaivePredictor naive({point(1, 1, 8, 1.0), point(1, 1, 32, 2.0), point(1, 4, 8, 3.0)});
  EXPECT_DOUBLE_EQ(naive.predict("ideal", at(4, 64, 8)), 1.0);
  EXPECT_NEAR(naive.predict("ideal", at(4, 64, 16)), std::sqrt(2.0), 1e-12);  // halfway in log
  EXPECT_DOUBLE_EQ(naive.predict("ideal", at(4, 64, 64)), 4.0);  // the last time per sample
  EXPECT_DOUBLE_EQ(naive.predict("ideal", at(4, 64, 4)), 1.0);   // never faster than measured
}

TEST(Naive, CarryForwardKeepsTheLargestScalesRatio) {
  const NaivePredictor naive(
      {point(1, 1, 8, 1.0), point(1, 1, 32, 2.0), point(1, 4, 8, 3.0), point(2, 8, 8, 5.0)});
  EXPECT_DOUBLE_EQ(naive.predict("carry_forward", at(8, 64, 8)), 5.0);
  EXPECT_DOUBLE_EQ(naive.predict("carry_forward", at(8, 64, 32)), 10.0);
}

TEST(Naive, LinearIsALineInGpus) {
  const NaivePredictor naive({point(1, 1, 8, 1.0), point(1, 2, 8, 1.1), point(1, 4, 8, 1.3)});
  EXPECT_NEAR(naive.predict("linear", at(1, 8, 8)), 1.7, 1e-12);
}

TEST(Naive, AccumulationRepeatsTheMicroStep) {
  const NaivePredictor naive({point(1, 1, 8, 1.0)});
  Configuration twice = at(1, 1, 8);
  twice.accumulation = 2;
  for (const std::string& name : NaivePredictor::names())
    EXPECT_DOUBLE_EQ(naive.predict(name, twice), 2.0) << name;
}

TEST(Naive, RefusesAnUnknownName) {
  EXPECT_THROW(NaivePredictor({point(1, 1, 8, 1.0)}).predict("magic", at(1, 1, 8)), Error);
}

}  // namespace
}  // namespace forerun
