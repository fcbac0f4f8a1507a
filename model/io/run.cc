#include "model/io/run.h"

#include <algorithm>

namespace forerun {
namespace {
constexpr char kFormat[] = "forerun-run";
}

void save_run(const std::filesystem::path& path, const Run& run) {
  Json document = {{"format", kFormat},
                   {"version", kRunVersion},
                   {"model", run.model},
                   {"input", run.input},
                   {"data", run.data},
                   {"optimizer", run.optimizer},
                   {"seed", run.seed},
                   {"machine", to_json(run.machine)},
                   {"steps", to_json(run.steps)},
                   {"loss", run.loss}};
  document["epochs"] = Json::array();
  for (const Epoch& epoch : run.epochs) {
    Json out = {{"epoch", epoch.epoch}, {"time_s", epoch.time_s}, {"loss", epoch.loss}};
    if (epoch.accuracy) out["accuracy"] = *epoch.accuracy;
    document["epochs"].push_back(out);
  }
  save_document(path, document);
}

Run load_run(const std::filesystem::path& path) {
  const Json document = load_document(path, kFormat, kRunVersion);
  const JsonReader in(document, path.string() + ": ");
  Run run;
  run.model = in.at("model").text();
  run.input = in.text_or("input", "");
  run.data = in.at("data").text();
  run.optimizer = in.text_or("optimizer", "");
  const JsonReader seed = in.at("seed");
  if (!seed.node().is_number_unsigned()) {
    seed.fail("is " + seed.node().dump() + " (must be a whole number >= 0)");
  }
  run.seed = seed.node().get<unsigned long>();  // all 64 bits: a double would lose some
  run.machine = read_machine(in.at("machine"));
  run.steps = read_measured(in.at("steps"));
  run.loss = in.at("loss").numbers();
  for (const JsonReader& epoch : in.at("epochs").items()) {
    run.epochs.push_back({static_cast<int>(epoch.at("epoch").whole(1)),
                          epoch.at("time_s").positive(), epoch.at("loss").number(),
                          epoch.optional_number("accuracy")});
  }
  return run;
}

std::vector<Run> load_runs(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Run> runs;
  for (const auto& file : files) runs.push_back(load_run(file));
  return runs;
}

}  // namespace forerun
