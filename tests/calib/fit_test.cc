#include "calib/fit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/io/observations.h"

namespace forerun {
namespace {

/// T4 with its bytes told and ResNet-18 measured on one GPU only: what another byte costs hangs on
/// the others.
Evidence t4_with_a_lone_workload() {
  const std::map<std::string, double> bytes = {
      {"imagenet", 102.2e6}, {"cifar10", 44.7e6}, {"bert", 438e6}, {"yolov3", 248e6}};
  std::vector<Observation> rows = load_observations(std::filesystem::path(FORERUN_SOURCE_DIR) /
                                                    "examples/data/pollux-t4/observations.csv");
  std::erase_if(rows,
                [](const Observation& o) { return o.model == "cifar10" && o.at.world_size() > 1; });
  for (Observation& o : rows) {
    if (const auto told = bytes.find(o.model); told != bytes.end()) o.grad_bytes = told->second;
  }
  Evidence evidence = gather_evidence(rows);
  thin_out(evidence);
  return evidence;
}

TEST(FitCluster, LinearizedAgainItMovesByLessThanItClaimsToKnow) {
  const Evidence evidence = t4_with_a_lone_workload();
  const ClusterFit fit = fit_cluster(evidence, TwoNodeHypothesis::kMayDiffer, {});
  std::vector<Series> series;
  for (size_t w = 0; w < evidence.workloads.size(); ++w) {
    series.push_back(make_series(evidence.workloads[w], fit.parameters, w, fit.priors,
                                 fit.row_noise[w], fit.amplitudes[w]));
  }
  const NetworkPosterior again =
      network_posterior(solve_all(series, fit.process), series, fit.priors.network);
  for (const int parameter : {kBetaIntra, kBetaInter, kNicSharing, kCongestion, kTwoNodes}) {
    const double moved = fit.priors.network.mean[parameter] + again.deviation[parameter] -
                         fit.parameters.network[parameter];
    EXPECT_LT(std::fabs(moved), std::sqrt(again.covariance(parameter, parameter)))
        << kNetworkNames[parameter].name;
  }
}

}  // namespace
}  // namespace forerun
