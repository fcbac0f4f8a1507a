#include "predict/report/report_data.h"

#include <algorithm>

namespace forerun {

std::optional<double> BatchScaling::predicted_base_s() const {
  for (const ScalingPoint& point : points) {
    if (point.at.world_size() == 1) return point.predicted.step_time.value();
  }
  return std::nullopt;
}

std::optional<ScalingObservation> BatchScaling::observed_base() const {
  std::optional<ScalingObservation> base;
  for (const ScalingObservation& seen : observed) {
    if (seen.world_size == 1 && (!base || seen.check)) base = seen;
  }
  return base;
}

int BatchScaling::checks() const {
  return static_cast<int>(std::count_if(observed.begin(), observed.end(),
                                        [](const ScalingObservation& o) { return o.check; }));
}

}  // namespace forerun
