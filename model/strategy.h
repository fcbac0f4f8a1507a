// What each strategy sends in a step, as a table: a new strategy is a line. exchange.h has what it
// costs.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "model/collective_kind.h"

namespace forerun {

/// Between whom a collective runs.
enum class Among {
  kAll,
  kNode,     ///< the ranks of one node, on all nodes at once
  kLeaders,  ///< one rank of each node
};

/// One collective of a strategy. Its buffer is all gradients (or weights), or a bucket of them.
struct Sending {
  Collective collective = Collective::kAllreduce;
  Among among = Among::kAll;
  bool hidden = false;  ///< it may run while backward does
};

struct StrategyPattern {
  std::string_view name;
  std::array<Sending, 3> sendings;
  int count = 0;                  ///< of sendings
  bool in_buckets = true;         ///< each sending once a bucket; else once a step
  bool shards_optimizer = false;  ///< each of n ranks updates 1/n of the weights

  std::span<const Sending> each() const { return {sendings.data(), static_cast<size_t>(count)}; }
};

/// Sources: Li et al., PyTorch Distributed (VLDB 2020) for ddp; Jia et al. 2018, section 4.2, for
/// hierarchical; Rajbhandari et al., ZeRO (2020), section 7.2.1, for zero1: its volume is ddp's,
/// half of it behind the update; torch/nn/parallel/data_parallel.py for dataparallel, whose inputs
/// and outputs are left out: a few percent of the weights' bytes.
inline constexpr std::array<StrategyPattern, 4> kStrategyPatterns = {{
    {"ddp", {{{Collective::kAllreduce, Among::kAll, true}}}, 1},
    {"hierarchical",
     {{{Collective::kReduce, Among::kNode, true},
       {Collective::kAllreduce, Among::kLeaders, true},
       {Collective::kBroadcast, Among::kNode, true}}},
     3},
    {"zero1",
     {{{Collective::kReduceScatter, Among::kAll, true},
       {Collective::kAllGather, Among::kAll, false}}},
     2,
     true,
     true},
    {"dataparallel",
     {{{Collective::kBroadcast, Among::kAll, false}, {Collective::kReduce, Among::kAll, false}}},
     2,
     false},
}};

/// The pattern of a name; ddp's for names of others' strategies, which then are ddp with a network
/// of their own, and for `serial`, whose one rank sends nothing.
constexpr const StrategyPattern& strategy_pattern(std::string_view name) {
  for (const StrategyPattern& pattern : kStrategyPatterns) {
    if (pattern.name == name) return pattern;
  }
  return kStrategyPatterns.front();
}

}  // namespace forerun
