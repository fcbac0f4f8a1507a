// From measurements to a calibration: gather, fit under each hypothesis, check on what was held
// out.
#pragma once

#include <string>
#include <vector>

#include "calib/ingredients.h"
#include "model/io/calibration.h"
#include "model/io/observations.h"
#include "model/io/profile.h"

namespace forerun {

/// Calibrates on the rows with role `fit` (all of them where none says `test`), each cluster by
/// itself, and checks on held-out rows beside the naive baselines. Deterministic, whatever the
/// order of rows. Throws Error if there is no row to fit.
Calibration calibrate_observations(const std::vector<Observation>& rows, const std::string& source,
                                   const Ingredients& ingredients = {});

/// The same for what `measure` wrote, with its sweeps, memory and machine. Throws Refusal where
/// ranks shared a GPU.
Calibration calibrate_profile(const Profile& profile, const std::string& source);

}  // namespace forerun
