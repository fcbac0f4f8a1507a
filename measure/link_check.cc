#include "measure/link_check.h"

#include <algorithm>
#include <cstdint>

#include "model/io/command_line.h"

namespace forerun {
namespace {

/// First ranks of the hosts, by rank.
std::vector<int> leaders(const RankMap& map) {
  std::vector<int> first;
  for (int r = 0; r < static_cast<int>(map.hosts.size()); ++r) {
    const auto begin = map.hosts.begin();
    if (std::find(begin, begin + r, map.hosts[r]) == begin + r) first.push_back(r);
  }
  return first;
}

/// Of host i in a round, by host; -1: it pauses. The rounds of an odd ring: 0-1 2-3, 1-2 3-4, 4-0.
int pair_in_round(int host, int hosts, int round) {
  for (int i = 0; i < hosts; ++i) {
    const int next = (i + 1) % hosts;
    const int its_round = hosts % 2 == 1 && i == hosts - 1 ? 2 : i % 2;
    if (its_round == round && (host == i || host == next)) return i;
  }
  return -1;
}

std::vector<double> exchange(Job& job, Communicator& pair, double size_bytes, int repetitions) {
  const auto count = static_cast<size_t>(size_bytes / sizeof(float));
  const std::shared_ptr<float[]> buffer = pair.memory(count);
  const std::span<float> floats(buffer.get(), count);
  pair.run(Collective::kAllreduce, floats);  // connects
  job.watchdog.progress();
  std::vector<double> times = pair.timed_runs(Collective::kAllreduce, floats, repetitions);
  job.watchdog.progress();
  return times;
}

}  // namespace

std::vector<HostPair> check_links(Job& job, double size_bytes, int repetitions) {
  const std::vector<int> first = leaders(job.map);
  const auto hosts = static_cast<int>(first.size());
  std::vector<HostPair> pairs;
  if (hosts < 3) return pairs;
  const auto found = std::find(first.begin(), first.end(), job.world.rank());
  const int mine = found == first.end() ? -1 : static_cast<int>(found - first.begin());
  for (int round = 0; round < 2 + hosts % 2; ++round) {
    job.enter("checking the links between neighbours");
    const int color = mine < 0 ? -1 : pair_in_round(mine, hosts, round);
    const std::unique_ptr<Communicator> pair = job.world.split(color);
    std::vector<double> times;
    if (pair != nullptr) times = exchange(job, *pair, size_bytes, repetitions);
    const bool tells = pair != nullptr && pair->rank() == 0;
    const Json mine_text = tells ? Json{{"pair", color}, {"times", times}} : Json();
    for (const std::string& text : job.world.gather(mine_text.dump(), 0)) {
      const Json said = Json::parse(text);
      if (said.is_null()) continue;
      const int i = said.at("pair");
      pairs.push_back({job.map.hosts[first[i]], job.map.hosts[first[(i + 1) % hosts]], size_bytes,
                       said.at("times").get<std::vector<double>>()});
    }
  }
  return pairs;
}

}  // namespace forerun
