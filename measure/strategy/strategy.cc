#include "measure/strategy/strategy.h"

#include <set>

#include "model/error.h"
#include "model/io/command_line.h"

namespace forerun {

const std::vector<StrategyEntry>& strategies() {
  static const std::vector<StrategyEntry> table = {
      {"serial", "one rank, no communication", Processes::kOne, make_serial},
      {"ddp", "bucketed all-reduce that overlaps with backward", Processes::kOnePerDevice,
       make_ddp},
      {"hierarchical", "buckets reduced in the node, all-reduced between nodes, broadcast back",
       Processes::kOnePerDevice, make_hierarchical},
      {"zero1", "gradients reduce-scattered, optimizer state sharded, weights all-gathered",
       Processes::kOnePerDevice, make_zero1},
      {"dataparallel", "one process drives all devices of a node", Processes::kOneForAllDevices,
       make_dataparallel},
  };
  return table;
}

std::string strategy_names() {
  std::string all;
  for (const StrategyEntry& entry : strategies()) all += (all.empty() ? "" : ", ") + entry.name;
  return all;
}

const StrategyEntry& find_strategy(const std::string& name) {
  std::vector<std::string> names;
  for (const StrategyEntry& entry : strategies()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  const auto near = near_names(name, names);
  throw UsageError(
      "strategy \"" + name + "\" is unknown (" +
      (near.empty() ? "there are " + strategy_names() : "did you mean " + near.front() + "?") +
      ")");
}

Parameters trainable_parameters(const NeuralNetwork& network) {
  Parameters parameters;
  std::set<const void*> seen;
  for (const torch::Tensor& p : network.parameters()) {
    if (p.requires_grad() && seen.insert(p.unsafeGetTensorImpl()).second) parameters.push_back(p);
  }
  return parameters;
}

std::span<float> floats_of(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

torch::Tensor part_like(const torch::Tensor& like, const torch::Tensor& flat, int64_t offset) {
  return flat.as_strided(like.sizes(), like.strides(), flat.storage_offset() + offset);
}

void share(Communicator& group, const torch::Tensor& tensor) {
  if (!tensor.is_cpu() && tensor.scalar_type() == torch::kFloat32) {
    group.run(Collective::kBroadcast, floats_of(tensor));
    return;
  }
  const torch::NoGradGuard no_grad;
  const torch::Tensor here = tensor.cpu();
  group.broadcast({static_cast<std::byte*>(here.data_ptr()), here.nbytes()}, 0);
  if (!tensor.is_cpu()) tensor.copy_(here);
}

}  // namespace forerun
