#include "measure/launch/agreement.h"

#include <unistd.h>

#include <filesystem>
#include <vector>

#include "model/error.h"
#include "model/io/json_reader.h"

namespace forerun {

std::string program_identity() {
  std::error_code error;
  const auto bytes = std::filesystem::file_size("/proc/self/exe", error);
  return error ? "unknown" : std::to_string(bytes) + " bytes";
}

void require_agreement(Communicator& world, const std::string& command,
                       const std::string& program) {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const Json mine = {{"host", host}, {"command", command}, {"program", program}};
  const std::vector<std::string> all = world.all_gather(mine.dump());
  const Json first = Json::parse(all.front());
  for (size_t r = 1; r < all.size(); ++r) {
    const Json other = Json::parse(all[r]);
    const std::string who =
        "rank " + std::to_string(r) + " on host " + other.at("host").get<std::string>();
    if (other.at("command") != first.at("command")) {
      throw Error(who + " was started as `measure " + other.at("command").get<std::string>() +
                  "`, rank 0 as `measure " + first.at("command").get<std::string>() +
                  "`; start all ranks alike");
    }
    if (other.at("program") != first.at("program")) {
      throw Error(who + " runs another build of measure (" +
                  other.at("program").get<std::string>() + "; rank 0's has " +
                  first.at("program").get<std::string>() + "); install one on all hosts");
    }
  }
}

}  // namespace forerun
