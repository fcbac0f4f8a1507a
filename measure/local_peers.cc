#include "measure/local_peers.h"

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

namespace forerun {

/// `42 (name) T ...`, where the name may hold anything. Source: proc(5), /proc/pid/stat.
bool is_stopped(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const size_t state = stat.rfind(')') + 2;
  return state < stat.size() && (stat[state] == 'T' || stat[state] == 't');
}

void LocalPeers::learn(Communicator& world, const RankMap& map) {
  const std::vector<std::string> all = world.all_gather(std::to_string(::getpid()));
  const std::lock_guard lock(mutex_);
  for (int r = 0; r < world.size(); ++r) {
    if (map.hosts[r] == map.hosts[world.rank()]) processes_[r] = std::stoi(all[r]);
  }
}

std::optional<int> LocalPeers::stopped() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [rank, process] : processes_) {
    if (is_stopped(process)) return rank;
  }
  return std::nullopt;
}

}  // namespace forerun
