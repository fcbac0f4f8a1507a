#include "tests/accuracy/protocols.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

namespace forerun {
namespace {

bool anything(const Observation&) { return true; }

/// By model, its local batches in order.
using Batches = std::map<std::string, std::vector<int>>;

Batches batches_of(const std::vector<Observation>& rows) {
  std::map<std::string, std::set<int>> sets;
  for (const Observation& o : rows) sets[o.model].insert(o.at.local_batch);
  Batches out;
  for (const auto& [model, batches] : sets) out[model].assign(batches.begin(), batches.end());
  return out;
}

/// A batch's place among its model's.
long place(const Batches& batches, const Observation& o) {
  const std::vector<int>& of_model = batches.at(o.model);
  return std::ranges::find(of_model, o.at.local_batch) - of_model.begin();
}

bool small(const Observation& o) { return o.at.world_size() <= 8 && o.at.placement.nodes() <= 4; }

/// Few batches or few placements: what small sets of measurements leave open.
std::vector<Protocol> small_protocols(const std::vector<Observation>& rows) {
  const Batches batches = batches_of(rows);
  int full = 0;
  for (const Observation& o : rows) {
    if (o.at.placement.nodes() == 1) full = std::max(full, o.at.world_size());
  }
  const auto is_full = [=](const Observation& o) {
    return o.at.world_size() == full * o.at.placement.nodes();
  };
  const auto left_out = [=](const Observation& o) {
    const long at = place(batches, o);
    return at % 2 == 1 && at + 1 < std::ssize(batches.at(o.model));
  };
  const auto middle = [=](const Observation& o) {
    return place(batches, o) == std::ssize(batches.at(o.model)) / 2;
  };
  return {
      {"every other batch", [=](const Observation& o) { return small(o) && !left_out(o); }, small},
      {"the middle batch", [=](const Observation& o) { return small(o) && middle(o); }, small},
      {"full nodes",
       [=](const Observation& o) { return is_full(o) && o.at.placement.nodes() <= 4; },
       [=](const Observation& o) { return o.at.placement.nodes() == 1; }},
      {"1, 2 and 4 full nodes",
       [=](const Observation& o) {
         return is_full(o) && o.at.placement.nodes() <= 4 && o.at.placement.nodes() != 3;
       },
       is_full},
  };
}

/// A third of the scales larger than small(), among all others; never the largest, so that hardly
/// anything is extrapolated.
std::vector<Protocol> interpolating_protocols(const std::vector<Observation>& rows) {
  const auto by_gpus = [](const Observation& o) {
    return std::pair{o.at.world_size(), o.at.placement.nodes()};
  };
  std::set<std::pair<int, int>> larger;
  for (const Observation& o : rows) {
    if (!small(o)) larger.insert(by_gpus(o));
  }
  if (!larger.empty()) larger.erase(std::prev(larger.end()));
  std::vector<Protocol> out;
  for (const int third : {0, 1, 2}) {
    std::set<std::pair<int, int>> left_out;
    int index = 0;
    for (const auto& scale : larger) {
      if (index++ % 3 == third) left_out.insert(scale);
    }
    out.push_back({"all but a third of larger scales, " + std::to_string(third + 1),
                   [=](const Observation& o) { return !left_out.contains(by_gpus(o)); }, anything});
  }
  return out;
}

}  // namespace

std::vector<Protocol> scale_protocols(const std::vector<Observation>& rows) {
  std::map<std::string, std::set<int>> chosen;
  for (const auto& [model, sorted] : batches_of(rows)) {
    chosen[model] = {sorted.front(), sorted[sorted.size() / 2], sorted.back()};
  }
  const auto nodes = [](const Observation& o) { return o.at.placement.nodes(); };
  const auto gpus = [](const Observation& o) { return o.at.world_size(); };
  const std::set<std::pair<int, int>> kRuns = {{1, 1}, {1, 2}, {1, 4}, {2, 8}, {4, 4}};
  std::vector<Protocol> out = {
      {"<= 8 GPUs on <= 4 nodes", small, anything},
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
  std::ranges::move(small_protocols(rows), std::back_inserter(out));
  std::ranges::move(interpolating_protocols(rows), std::back_inserter(out));
  return out;
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
