// observations.csv: anyone's step times, one configuration a row.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/configuration.h"
#include "model/io/csv.h"

namespace forerun {

/// One row. `step_time_s` is a mean over `steps` steps; NaN where a points file has none.
struct Observation {
  std::string cluster;
  std::string model;
  Configuration at;
  double step_time_s = 0;
  std::string role = "fit";              ///< `fit`, or `test`: only compared
  double steps = 16;                     ///< behind the mean
  std::optional<double> stddev_s;        ///< of one step
  std::optional<double> exposed_comm_s;  ///< includes waiting for the slowest rank
  std::optional<double> forward_s, backward_s, optimizer_s;
  std::optional<double> grad_bytes;
  std::optional<double> peak_memory_bytes;
  /// Of a GPU, parts of the peak: by tensors, and by libraries beside LibTorch's allocator.
  std::optional<double> allocated_bytes, library_bytes;
};

/// Rows of a CSV with the columns `model,nodes,gpus,local_batch,step_time_s` and any of the
/// optional ones, in any order; columns that we do not know are skipped. Throws Error with file,
/// line, field and remedy: a column missing, a field missing or not a number, NaN, a time that is
/// not positive, gpus that do not match placement, no rows at all.
std::vector<Observation> load_observations(const std::filesystem::path& path);

/// The same of points to predict, one for each row: `step_time_s` is neither needed nor read.
std::vector<Observation> read_points(const CsvTable& table);

}  // namespace forerun
