#include "tests/accuracy/protocols.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace forerun {
namespace {

bool anything(const Observation&) { return true; }

}  // namespace

std::vector<Protocol> scale_protocols(const std::vector<Observation>& rows) {
  std::map<std::string, std::set<int>> batches;
  for (const Observation& o : rows) batches[o.model].insert(o.at.local_batch);
  std::map<std::string, std::set<int>> chosen;
  for (const auto& [model, all] : batches) {
    const std::vector<int> sorted(all.begin(), all.end());
    chosen[model] = {sorted.front(), sorted[sorted.size() / 2], sorted.back()};
  }
  const auto nodes = [](const Observation& o) { return o.at.placement.nodes(); };
  const auto gpus = [](const Observation& o) { return o.at.world_size(); };
  const std::set<std::pair<int, int>> kRuns = {{1, 1}, {1, 2}, {1, 4}, {2, 8}, {4, 4}};
  return {
      {"<= 8 GPUs on <= 4 nodes",
       [=](const Observation& o) { return gpus(o) <= 8 && nodes(o) <= 4; }, anything},
      {"<= 4 GPUs, any nodes", [=](const Observation& o) { return gpus(o) <= 4; }, anything},
      {"15 runs a workload",
       [=](const Observation& o) {
         return kRuns.contains({nodes(o), gpus(o)}) &&
                chosen.at(o.model).contains(o.at.local_batch);
       },
       anything},
      {"<= 8 GPUs on <= 2 nodes",
       [=](const Observation& o) { return gpus(o) <= 8 && nodes(o) <= 2; }, anything},
      {"<= 8 GPUs, predict 9-16", [=](const Observation& o) { return gpus(o) <= 8; },
       [=](const Observation& o) { return gpus(o) <= 16; }},
      {"1 node, <= 4 GPUs", [=](const Observation& o) { return nodes(o) == 1 && gpus(o) <= 4; },
       [=](const Observation& o) { return nodes(o) > 1; }},
  };
}

Protocol up_to_protocol(int gpus) {
  return {"<= " + std::to_string(gpus) + " GPUs",
          [=](const Observation& o) { return o.at.world_size() <= gpus; }, anything};
}

std::vector<Protocol> one_gpu_protocols(const std::vector<Observation>& rows) {
  std::set<std::string> known;
  for (const Observation& o : rows) {
    if (o.grad_bytes) known.insert(o.model);
  }
  std::vector<Protocol> out;
  for (const std::string& model : known) {
    out.push_back({model + " on 1 GPU",
                   [=](const Observation& o) { return o.model != model || o.at.world_size() == 1; },
                   anything});
  }
  return out;
}

std::vector<Observation> with_roles(const Protocol& protocol,
                                    const std::vector<Observation>& rows) {
  std::vector<Observation> out;
  for (Observation row : rows) {
    const bool fit = protocol.fit(row);
    if (!fit && !protocol.test(row)) continue;
    row.role = fit ? "fit" : "test";
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<Observation> mean_over_placements(const std::vector<Observation>& rows) {
  std::map<std::tuple<std::string, std::string, int, int, int>, std::vector<const Observation*>>
      groups;
  for (const Observation& o : rows) {
    groups[{o.cluster, o.model, o.at.placement.nodes(), o.at.world_size(), o.at.local_batch}]
        .push_back(&o);
  }
  std::vector<Observation> out;
  for (const auto& [key, group] : groups) {
    Observation mean = *group.front();
    mean.at.placement = Placement::even(mean.at.placement.nodes(), mean.at.world_size());
    mean.step_time_s = 0;
    mean.steps = 0;
    for (const Observation* o : group) {
      mean.step_time_s += o->step_time_s / static_cast<double>(group.size());
      mean.steps += o->steps;
    }
    out.push_back(mean);
  }
  return out;
}

}  // namespace forerun
