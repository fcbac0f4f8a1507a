// Steps as they were measured, beside the same steps played through by the model.
#pragma once

#include <string>
#include <vector>

#include "model/io/chrome_trace.h"
#include "model/io/profile.h"
#include "model/timeline.h"

namespace forerun {

/// One configuration of strategy `ddp` on several ranks. The simulation knows the compute of one
/// rank alone, where that was measured with the same local batch (else of this configuration), and
/// what each bucket's all-reduce takes alone, from the sweeps.
struct StepTimeline {
  std::string title;  ///< `resnet18, 2+2 ranks x 8`
  MeasuredConfiguration measured;
  TimelineStep<> step;
  Timeline<> simulated;
  double measured_step_s = 0, measured_exposed_s = 0;  ///< medians of rank 0

  /// simulated / measured - 1.
  double relative_error() const;
};

/// Every configuration whose buckets were measured, and whose placement's all-reduces were, up to
/// at least a quarter of the largest bucket.
std::vector<StepTimeline> step_timelines(const Profile& profile);

/// All of them, measured and simulated one below the other, each starting with its forward pass.
std::vector<TraceBar> trace_bars(const std::vector<StepTimeline>& timelines);

/// `timeline.json: 12 steps; the simulated step differs by 1.2 % (median), 3.4 % at most`; empty
/// for none.
std::string timelines_summary(const std::vector<StepTimeline>& timelines);

}  // namespace forerun
