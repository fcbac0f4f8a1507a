#include "model/placement.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <numeric>

#include "model/error.h"

namespace forerun {
namespace {

[[noreturn]] void fail_to_parse(std::string_view text) {
  throw Error("placement \"" + std::string(text) +
              "\" (expected GPUs per node such as 4+4+2 or 442)");
}

}  // namespace

Placement::Placement(std::vector<int> ranks_per_node) : ranks_per_node_(std::move(ranks_per_node)) {
  if (ranks_per_node_.empty()) throw Error("placement without a node (expected such as 4+4+2)");
  std::sort(ranks_per_node_.begin(), ranks_per_node_.end(), std::greater<>());
  if (ranks_per_node_.back() < 1) {
    throw Error("placement " + text() + ": every node needs at least one GPU");
  }
}

Placement Placement::even(int nodes, int world_size) {
  if (nodes < 1 || world_size < nodes) {
    throw Error(std::to_string(world_size) + " GPUs on " + std::to_string(nodes) +
                " nodes: every node needs at least one GPU");
  }
  std::vector<int> ranks(nodes, world_size / nodes);
  for (int i = 0; i < world_size % nodes; ++i) ++ranks[i];
  return Placement(std::move(ranks));
}

Placement Placement::parse(std::string_view text) {
  if (text.find('+') != std::string_view::npos) return from_text(text);
  std::vector<int> ranks;
  for (const char digit : text) {
    if (digit < '1' || digit > '9') fail_to_parse(text);
    ranks.push_back(digit - '0');
  }
  if (ranks.empty()) fail_to_parse(text);
  return Placement(std::move(ranks));
}

Placement Placement::from_text(std::string_view text) {
  std::vector<int> ranks;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('+', at), text.size());
    int count = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, count);
    if (error != std::errc() || stop != text.data() + end || count < 1) fail_to_parse(text);
    ranks.push_back(count);
    at = end + 1;
  }
  return Placement(std::move(ranks));
}

int Placement::world_size() const {
  return std::accumulate(ranks_per_node_.begin(), ranks_per_node_.end(), 0);
}

std::string Placement::text() const {
  std::string out;
  for (const int ranks : ranks_per_node_) out += (out.empty() ? "" : "+") + std::to_string(ranks);
  return out;
}

}  // namespace forerun
