#include "measure/checkpoint.h"

#include <unistd.h>

#include "model/error.h"
#include "model/io/json_reader.h"

namespace forerun {
namespace {

Json to_json(const Standing& s) {
  Json epochs = Json::array();
  for (const Epoch& e : s.epochs) {
    epochs.push_back({e.epoch, e.time_s, e.loss, e.accuracy.value_or(-1)});
  }
  return {{"global_batch", s.global_batch},
          {"seed", s.seed},
          {"data", s.data},
          {"learning_rate", s.learning_rate},
          {"steps", s.steps},
          {"loss", s.loss},
          {"epochs", epochs}};
}

Standing standing_of(const Json& note) {
  Standing s{.global_batch = note.at("global_batch"),
             .seed = note.at("seed"),
             .data = note.at("data"),
             .learning_rate = note.at("learning_rate"),
             .steps = note.at("steps"),
             .loss = note.at("loss").get<std::vector<double>>(),
             .epochs = {}};
  for (const Json& e : note.at("epochs")) {
    Epoch epoch{e.at(0), e.at(1), e.at(2), {}};
    if (e.at(3).get<double>() >= 0) epoch.accuracy = e.at(3).get<double>();
    s.epochs.push_back(epoch);
  }
  return s;
}

}  // namespace

bool Standing::same_training(const Standing& other) const {
  return global_batch == other.global_batch && seed == other.seed && data == other.data &&
         learning_rate == other.learning_rate;
}

void save_checkpoint(const std::filesystem::path& path, Trainer& trainer,
                     const Standing& standing) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  const std::string temporary = path.string() + ".tmp." + std::to_string(::getpid());
  try {
    trainer.save(temporary, to_json(standing).dump());
    std::filesystem::rename(temporary, path);
  } catch (const std::exception& failed) {
    std::filesystem::remove(temporary, error);
    const std::string what = failed.what();
    throw Error(path.string() + ": cannot write the checkpoint (" +
                what.substr(0, what.find('\n')) + ")");
  }
}

Standing load_checkpoint(const std::filesystem::path& path, Trainer& trainer,
                         const Standing& asked) {
  Standing was = standing_of(Json::parse(trainer.load(path.string())));
  if (was.same_training(asked)) return was;
  throw Error(path.string() +
              ": comes from other data, another seed or learning rate; without --resume training "
              "starts anew");
}

}  // namespace forerun
