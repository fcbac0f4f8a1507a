// What to measure next, as commands.
#pragma once

#include <string>
#include <vector>

#include "predict/forecast.h"

namespace forerun {

/// The command that measures one configuration.
std::string measure_command(const std::string& model, const Candidate& candidate);
std::string measure_command(const std::string& model, long batch, int gpus);

/// Up to four measurements, the most useful first: what was refused at the next scale; the widest
/// interval among the recommended candidate, its ties and its neighbours; memory and noise scale
/// where they are missing.
std::vector<NextMeasurement> next_measurements(const Forecast& forecast);

}  // namespace forerun
