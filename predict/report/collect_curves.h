// The curves of a report: what the calibration says over world sizes, batches and message sizes.
#pragma once

#include <vector>

#include "calib/predictor.h"
#include "model/io/profile.h"
#include "predict/report/report_data.h"

namespace forerun {

/// For each workload the global batches of which most was seen (at most four), over every world
/// size of the machine that divides them, on as few nodes as hold them.
std::vector<WorkloadScaling> collect_scaling(const Machine& machine, const Predictor& predictor,
                                             const std::vector<RunCheck>& checks);

/// What predict recommends, for doublings of the batch over the range measured.
std::vector<RecommendedSize> collect_recommended(const Predictor& predictor);

/// The all-reduce sweeps by placement (the six with most ranks), with the fitted network where the
/// data determined it.
std::vector<AllreduceCurve> collect_allreduce(const Profile& profile,
                                              const Calibration& calibration);

}  // namespace forerun
