// A forecast for people: a table of the candidates, and what to make of it.
#pragma once

#include <string>

#include "predict/forecast.h"

namespace forerun {

/// Text of at most 100 columns (the launch line and commands excepted: they are for copying). With
/// `colour`, the recommended row is bold and refusals are dim (ANSI escapes).
std::string to_text(const Forecast& forecast, bool colour);

}  // namespace forerun
