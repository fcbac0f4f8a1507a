// What to measure next, as commands.
#pragma once

#include <string>
#include <vector>

#include "predict/forecast.h"

namespace forerun {

/// Up to four measurements, the most useful first: what was refused at the next scale; the widest
/// interval among the recommended candidate, its ties and its neighbours; memory and noise scale
/// where they are missing.
std::vector<NextMeasurement> next_measurements(const Forecast& forecast);

}  // namespace forerun
