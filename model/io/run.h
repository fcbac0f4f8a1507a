// runs/*.json: a full training run as `measure train` observed it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/io/profile.h"

namespace forerun {

inline constexpr int kRunVersion = 1;

struct Epoch {
  int epoch = 0;  ///< from 1
  double time_s = 0;
  double loss = 0;  ///< mean over the epoch's steps
  std::optional<double>
      accuracy;  ///< on held-out data, 0..1; absent without labels that mean something
};

struct Run {
  std::string model;
  std::string input;
  std::string data;  ///< `synthetic`, or the path
  std::string optimizer;
  unsigned long seed = 0;
  Machine machine;
  MeasuredConfiguration steps;
  std::vector<double> loss;  ///< per step, mean over the global batch
  std::vector<Epoch> epochs;
};

Run load_run(const std::filesystem::path& path);
void save_run(const std::filesystem::path& path, const Run& run);
/// Every `*.json` of a folder, by file name; none if there is no such folder.
std::vector<Run> load_runs(const std::filesystem::path& folder);

}  // namespace forerun
