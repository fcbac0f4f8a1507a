#include "predict/report/plots.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "model/error.h"
#include "model/plot/script.h"
#include "predict/report/collect_curves.h"
#include "tests/predict/report/example.h"
#include "tests/predict/report/example_store.h"

namespace forerun {
namespace {

TEST(GnuplotString, NothingInItEndsOrExpands) {
  EXPECT_EQ(gnuplot_string("it's\n`x` \"y\""), "'it''s `x` \"y\"'");
}

TEST(Render, SaysWhatGnuplotDidNotLike) {
  Plot plot;
  plot.script = "plot undefined_thing\n";
  try {
    render({plot});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("undefined"), std::string::npos) << error.what();
  }
}

TEST(SizeAxis, LinearForFewSizesDoublingsForMany) {
  EXPECT_FALSE(SizeAxis('x', {1, 2}).doublings);
  EXPECT_TRUE(SizeAxis('x', {1, 2, 4, 16}).doublings);
  EXPECT_DOUBLE_EQ(SizeAxis('x', {1, 2}).place(2, 1, 3), 2);  // the middle one of three
  EXPECT_LT(SizeAxis('x', {1, 16}).place(4, 0, 2), 4);
}

TEST(MostChecked, PrefersChecksThenTheLargerBatch) {
  WorkloadScaling scaling = report_example::scaling("m", {1, 2}, {32, 64, 128});
  EXPECT_EQ(most_checked(scaling).batch, 128);
  for (ScalingObservation& seen : scaling.strong[2].observed) seen.check = false;
  EXPECT_EQ(most_checked(scaling).batch, 32);  // two checks; 64 has one
}

TEST(ObservedBase, ACheckRunBeforeAMeasurement) {
  BatchScaling batch;
  batch.observed = {{1, 0.5, true}, {1, 0.4, false}, {2, 0.3, true}};
  EXPECT_EQ(batch.observed_base()->step_time_s, 0.5);
  batch.observed.erase(batch.observed.begin());
  EXPECT_EQ(batch.observed_base()->step_time_s, 0.4);
  batch.observed.erase(batch.observed.begin());
  EXPECT_FALSE(batch.observed_base().has_value());
}

TEST(MakePlots, NamesAreUniqueAndNothingEmptyIsDrawn) {
  ReportData data = report_example::report({1, 2});
  data.scaling[1].model = data.scaling[0].model;
  const ReportPlots plots = make_plots(data);
  std::set<std::string> names;
  size_t count = 0;
  for (const auto* part : {&plots.checks, &plots.speedup, &plots.throughput, &plots.components,
                           &plots.network, &plots.choice}) {
    for (const Plot& plot : *part) names.insert(plot.name), ++count;
  }
  EXPECT_EQ(names.size(), count);
  EXPECT_EQ(count, 2u + 3 * 3 + 2);
  EXPECT_TRUE(make_plots(ReportData()).checks.empty());
  EXPECT_TRUE(make_plots(ReportData()).network.empty());
}

TEST(WeakScalingPlot, CountsTheSamplesOfAllRanks) {
  WorkloadScaling scaling{"m", {}, {{8, {}, {{1, 0.5, true}, {2, 0.625, true}}}}};
  for (const int n : {1, 2}) {
    ScalingPoint point;
    point.at.placement = Placement({n});
    point.predicted.step_time = point.predicted.low = point.predicted.high =
        Seconds<>(n == 1 ? 0.5 : 0.8);
    scaling.weak[0].points.push_back(point);
  }
  const std::string script = weak_scaling_plot(scaling, "x").script;
  EXPECT_NE(script.find(" 1.25 1.25 1.25"), std::string::npos) << script;  // 2 x 0.5 / 0.8
  EXPECT_NE(script.find(" 1.6\n"), std::string::npos) << script;           // 2 x 0.5 / 0.625
  EXPECT_NE(script.find("batch 8 a rank"), std::string::npos);
}

TEST(SpeedupPlot, SaysWhichBaseWasTaken) {
  WorkloadScaling scaling = report_example::scaling("m", {1, 2}, {32, 64});
  EXPECT_NE(speedup_plot(scaling, "x").caption.find("a check run, else the measurement"),
            std::string::npos);
  for (BatchScaling& batch : scaling.strong) batch.observed.erase(batch.observed.begin());
  EXPECT_NE(speedup_plot(scaling, "x").caption.find("the prediction, where"), std::string::npos);
}

TEST(CollectAllreduce, TheFitIsDrawnHoweverVagueItIs) {
  Calibration calibration;
  calibration.parameters = {
      {"network.alpha_intra_s", std::log(5e-6), 1, true, 1, /*determined=*/false},
      {"network.beta_intra_s_per_byte", std::log(2e-10), 1, true, 1, /*determined=*/false}};
  NetworkCalibration network;
  network.bytes_known = true;
  network.intra_measured = true;
  calibration.networks = {network};
  Profile profile = report_example::small_profile();
  profile.network.push_back({"allreduce", "mpi", Placement({1, 1}), 4096, {1e-3}});
  for (const AllreduceCurve& curve : collect_allreduce(profile, calibration)) {
    EXPECT_EQ(curve.fitted.empty(), curve.placement.nodes() > 1) << curve.placement.text();
  }
}

TEST(CollectAllreduce, TheFitIsDrawnWhereItWasFitted) {
  Calibration calibration;
  NetworkCalibration network;
  network.bytes_known = true;
  network.intra_measured = true;
  network.least_sweep_bytes = 1e6;
  calibration.networks = {network};
  Profile profile;
  for (const double size : {1e3, 1e5, 1e7})
    profile.network.push_back({"allreduce", "mpi", Placement({2}), size, {1e-3}});
  const std::vector<AllreduceCurve> curves = collect_allreduce(profile, calibration);
  ASSERT_EQ(curves.size(), 1U);
  EXPECT_EQ(curves[0].measured.size(), 3U);
  EXPECT_EQ(curves[0].fitted.front().size_bytes, 1e6);
  EXPECT_NEAR(curves[0].fitted.back().size_bytes, 1e7, 1);
}

}  // namespace
}  // namespace forerun
