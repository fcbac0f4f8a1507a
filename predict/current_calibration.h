// The calibration to predict from, fresh.
#pragma once

#include <functional>
#include <string>

#include "model/io/calibration.h"
#include "model/io/command_line.h"
#include "model/io/profile.h"

namespace forerun {

/// `explicit_path` if given. Else the store's: read from calibration.json, or, where profile.json
/// is newer (or alone), made from it by `calibrate` and saved. A store that cannot be written is
/// only a warning, passed to `warn`; so is a
/// calibration made from observations beside a newer profile: it is kept. Throws Error naming the
/// place and the `measure` command if there is neither.
Calibration current_calibration(const Store& store, const std::string& explicit_path,
                                const std::function<Calibration(const Profile&)>& calibrate,
                                const std::function<void(const std::string&)>& warn);

}  // namespace forerun
