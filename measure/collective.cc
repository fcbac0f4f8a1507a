#include "measure/collective.h"

#include <algorithm>
#include <cstdint>

#include "measure/clock.h"
#include "model/error.h"

namespace forerun {
namespace {

std::span<std::byte> bytes_of(std::string& text) {
  return {reinterpret_cast<std::byte*>(text.data()), text.size()};
}

}  // namespace

void Communicator::count(Collective collective, std::span<const float> buffer) {
  const bool in_blocks =
      collective == Collective::kReduceScatter || collective == Collective::kAllGather;
  if (in_blocks && buffer.size() % static_cast<size_t>(size()) != 0) {
    throw Error(std::string(collective_name(collective)) + ": " + std::to_string(buffer.size()) +
                " floats are not " + std::to_string(size()) + " equal blocks");
  }
  Traffic& traffic = traffic_[static_cast<size_t>(collective)];
  ++traffic.calls;
  traffic.bytes += static_cast<double>(buffer.size_bytes());
}

std::vector<double> Communicator::timed_here(Collective collective, std::span<float> buffer,
                                             int times, int root) {
  std::vector<double> seconds;
  for (int i = 0; i < times; ++i) {
    barrier();
    const double start_s = clock_now();
    run_here(collective, buffer, root);
    seconds.push_back(clock_now() - start_s);
  }
  return seconds;
}

std::shared_ptr<float[]> Communicator::memory(size_t floats) {
  return std::shared_ptr<float[]>(new float[floats]());
}

std::string Communicator::broadcast_text(std::string text) {
  std::uint64_t length = text.size();
  broadcast(std::as_writable_bytes(std::span(&length, 1)), 0);
  text.resize(length);
  broadcast(bytes_of(text), 0);
  return text;
}

std::vector<std::string> Communicator::all_gather(const std::string& message) {
  const std::vector<std::string> gathered = gather(message, 0);
  std::string packed;  // length-prefixed: messages may hold any byte
  for (const std::string& m : gathered) packed += std::to_string(m.size()) + " " + m;
  packed = broadcast_text(std::move(packed));
  std::vector<std::string> messages;
  for (size_t at = 0; at < packed.size();) {
    const size_t space = packed.find(' ', at);
    const size_t length = std::stoul(packed.substr(at, space - at));
    messages.push_back(packed.substr(space + 1, length));
    at = space + 1 + length;
  }
  return messages;
}

bool Communicator::on_all(bool here) {
  const std::vector<std::string> all = all_gather(here ? "1" : "0");
  return std::ranges::find(all, "0") == all.end();
}

NestedGroups nest(Communicator& group) {
  NestedGroups nested;
  nested.node = group.split(group.node());
  nested.leaders = group.split(nested.node->rank() == 0 ? 0 : -1);
  return nested;
}

}  // namespace forerun
