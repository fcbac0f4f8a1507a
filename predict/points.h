// `predict --points`: a table of configurations in, the same rows with predictions out. How anyone
// checks Forerun against data of their own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "calib/predictor.h"
#include "model/io/observations.h"

namespace forerun {

/// Predicts all points of one model on one cluster together, which shares the linear algebra. The
/// cluster is empty where the points name none.
using ModelStepTimes = std::function<std::vector<Prediction>(
    const std::string& cluster, const std::string& model, const std::vector<Configuration>& at)>;

/// What stands before the predictions in each line: the header's columns, and one text per point.
struct PointColumns {
  std::string header;
  std::vector<std::string> rows;
};

/// The columns as they stand in the points' own file `text`; model, nodes, gpus, placement,
/// local_batch, accumulation where that file already has a column that predict adds.
PointColumns point_columns(const std::string& text, const std::vector<Observation>& points);

/// The points, in order, as CSV: their columns, then predicted_step_time_s, low_s, high_s, status
/// (`ok`, or `refused`: the numbers are empty), reason.
std::string predict_points(const std::vector<Observation>& points, const PointColumns& columns,
                           const ModelStepTimes& predict);

}  // namespace forerun
