// What a second fit, to fewer rows, tells of the first: how wide its intervals must be, and whether
// something simpler predicts better.
#pragma once

#include "calib/held_out.h"
#include "calib/ingredients.h"
#include "model/io/calibration.h"

namespace forerun {

/// `fewer` was fitted to `split.fit`. Sets what `whole` knows from it: each workload's errors on
/// `split.test`, and the method that predicts it beyond what was measured; each network's interval
/// scale; and adds to the words on what was held out.
void learn_from_second_fit(const Calibration& fewer, const Split& split,
                           const Ingredients& ingredients, Calibration& whole);

}  // namespace forerun
