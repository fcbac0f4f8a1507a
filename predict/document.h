// A forecast for scripts: one JSON document, or one CSV table. The keys are a promise.
#pragma once

#include <string>

#include "model/io/json_reader.h"
#include "predict/forecast.h"

namespace forerun {

inline constexpr int kForecastVersion = 1;

/// The document `forerun-forecast`; schema in model/io/schema/forecast.schema.json. What is not
/// known is null.
Json to_json(const Forecast& forecast);

/// One row per candidate and refused configuration, in the order of GPUs; what is not known is
/// empty. `status` is `ok`, `infeasible` or `refused`; `recommended` is 0 or 1.
std::string to_csv(const Forecast& forecast);

}  // namespace forerun
