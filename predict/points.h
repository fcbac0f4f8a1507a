// `predict --points`: a table of configurations in, the same rows with predictions out. How anyone
// checks Forerun against data of their own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "calib/predictor.h"
#include "model/io/csv.h"

namespace forerun {

/// Predicts all points of one model on one cluster together, which shares the linear algebra. The
/// cluster is empty where the points name none.
using ModelStepTimes = std::function<std::vector<Prediction>(
    const std::string& cluster, const std::string& model, const std::vector<Configuration>& at)>;

/// The rows of `table`, in order, as CSV: their own columns, then predicted_step_time_s, low_s,
/// high_s, status (`ok`, or `refused`: the numbers are empty), reason. Columns of these names in
/// `table`, as in an earlier answer, are replaced. Throws Error as read_points().
std::string predict_points(const CsvTable& table, const ModelStepTimes& predict);

}  // namespace forerun
