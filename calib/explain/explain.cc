#include <algorithm>

#include "calib/explain/advice.h"
#include "calib/explain/explanation.h"
#include "calib/explain/plan.h"
#include "calib/explain/residuals.h"
#include "calib/held_out.h"

namespace forerun {

Explanation explain(const Calibration& calibration, const std::vector<Observation>& rows) {
  Explanation out;
  std::vector<Observation> fitted, held_out;
  for (const Observation& row : rows) (row.role == "test" ? held_out : fitted).push_back(row);
  out.held_out = !held_out.empty();
  out.parameters = explain_parameters(calibration);
  const Predictor predictor(calibration);
  out.workloads = explain_workloads(predictor, points_by_workload(fitted, calibration),
                                    points_by_workload(held_out, calibration));
  for (size_t i = 0; i < calibration.networks.size(); ++i)
    out.plans.push_back(plan_measurements(predictor, static_cast<int>(i)));
  return out;
}

}  // namespace forerun
