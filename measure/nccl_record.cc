#include "measure/nccl_record.h"

#include <cstdlib>
#include <fstream>

namespace forerun {

std::string keep_nccl_log(const std::filesystem::path& folder, int rank) {
  if (std::getenv("NCCL_DEBUG_FILE") != nullptr) return "";
  std::filesystem::create_directories(folder);
  const std::string file = (folder / ("rank-" + std::to_string(rank) + ".log")).string();
  ::setenv("NCCL_DEBUG", "INFO", 0);
  ::setenv("NCCL_DEBUG_SUBSYS", "INIT,GRAPH,TUNING", 0);
  ::setenv("NCCL_DEBUG_FILE", file.c_str(), 1);
  return file;
}

NcclReport collect_nccl_log(Communicator& world, const std::string& log) {
  std::ifstream file(log);
  NcclReport report = read_nccl_log(file);
  for (const std::string& text : world.gather(to_json(report).dump(), 0)) {
    const Json json = Json::parse(text);
    merge(report, nccl_report(JsonReader(json, "NCCL's log of a rank")));
  }
  return report;
}

}  // namespace forerun
