// The figures of a report, as gnuplot scripts made from its data.
#pragma once

#include <vector>

#include "model/plot/gnuplot.h"
#include "predict/report/report_data.h"

namespace forerun {

/// The parts of the page that figures belong to.
struct ReportPlots {
  std::vector<Plot> checks;      ///< predicted against observed step time
  std::vector<Plot> speedup;     ///< strong and weak, of each workload
  std::vector<Plot> throughput;  ///< one a workload
  std::vector<Plot> components;  ///< one a workload
  std::vector<Plot> network;     ///< all-reduce time against size
  std::vector<Plot> choice;      ///< recommended world size per batch
};

/// Only figures that have something to show: without runs there is no scatter, without a sweep no
/// network. Names are unique and safe as file names whatever the workloads are called.
ReportPlots make_plots(const ReportData& data);

Plot scatter_plot(const std::vector<RunCheck>& checks);
Plot error_plot(const std::vector<RunCheck>& checks);
Plot speedup_plot(const WorkloadScaling& scaling, const std::string& name);
Plot weak_scaling_plot(const WorkloadScaling& scaling, const std::string& name);
Plot throughput_plot(const WorkloadScaling& scaling, const std::string& name);
Plot components_plot(const WorkloadScaling& scaling, const std::string& name);
Plot allreduce_plot(const std::vector<AllreduceCurve>& curves);
Plot recommended_plot(const std::vector<RecommendedSize>& recommended);

/// The batch whose components are shown: the one with most check runs, then the largest.
const BatchScaling& most_checked(const WorkloadScaling& scaling);

}  // namespace forerun
