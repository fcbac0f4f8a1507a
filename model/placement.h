// Where the ranks of one training sit: how many on each node.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// Ranks (one GPU or CPU process each) per node, largest first. Never empty, every entry >= 1.
class Placement {
 public:
  /// One rank on one node.
  Placement() : ranks_per_node_{1} {}
  /// Throws Error if a node has no rank.
  explicit Placement(std::vector<int> ranks_per_node);

  /// `world_size` ranks spread over `nodes` nodes as evenly as possible: 10 on 3 is 4+3+3.
  /// Throws Error unless 1 <= nodes <= world_size.
  static Placement even(int nodes, int world_size);
  /// Reads `4+4+2`, or `442` where every node has fewer than ten. Throws Error on anything else.
  static Placement parse(std::string_view text);
  /// Reads what text() writes: `16` is one node of 16. For our own files. Throws Error.
  static Placement from_text(std::string_view text);

  int nodes() const { return static_cast<int>(ranks_per_node_.size()); }
  int world_size() const;
  /// Ranks on the fullest node.
  int max_ranks_per_node() const { return ranks_per_node_.front(); }
  /// world_size / nodes: 2.5 for 3+2.
  double mean_ranks_per_node() const { return static_cast<double>(world_size()) / nodes(); }
  const std::vector<int>& ranks_per_node() const { return ranks_per_node_; }

  /// `4+4+2`
  std::string text() const;

  auto operator<=>(const Placement&) const = default;

 private:
  std::vector<int> ranks_per_node_;
};

}  // namespace forerun
