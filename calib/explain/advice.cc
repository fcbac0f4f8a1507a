#include "calib/explain/advice.h"

#include <string_view>

namespace forerun {
namespace {

struct Remedy {
  std::string_view suffix;  ///< of the parameter's name
  const char* text;
};

constexpr Remedy kRemedies[] = {
    {"network.alpha_intra_s",
     "small messages between GPUs of one node: a sweep, or a small batch on all of a node's GPUs"},
    {"network.beta_intra_s_per_byte",
     "large gradients on 2 and on all GPUs of one node, at a small batch"},
    {"network.alpha_inter_s",
     "small messages between nodes: a sweep between nodes, or a model of few gradient bytes on "
     "many nodes"},
    {"network.beta_inter_s_per_byte", "large gradients between nodes, at a small batch"},
    {"network.nic_sharing", "one GPU a node and all GPUs a node, both on the same several nodes"},
    {"network.congestion", "three or more numbers of nodes, with as many GPUs on each node"},
    {"network.two_nodes", "the same workload on 2 and on 3 or more nodes"},
    {"network.spread", "a large batch, where communication hides, at many world sizes"},
    {"network.crowding", "a large batch on one and on all GPUs of a node"},
    {"network.contention", "a sweep and a training step on the same placement"},
    {".launch_s", "the smallest batches on one GPU"},
    {".per_sample_s", "larger batches on one GPU"},
    {".overlap_minus_one", "the smallest and the largest batch on the same several GPUs"},
    {".wire_bytes", "a grad_bytes column, or this workload at a small batch on several nodes"},
};

const char* remedy_for(std::string_view name) {
  for (const Remedy& r : kRemedies) {
    if (name.ends_with(r.suffix)) return r.text;
  }
  return "";
}

/// The network of a parameter called `<cluster>.network.x`, or of the only one.
const NetworkCalibration* network_of(const Calibration& calibration, std::string_view name) {
  if (calibration.networks.size() == 1) return &calibration.networks.front();
  for (const NetworkCalibration& network : calibration.networks) {
    const std::string prefix = network.cluster.empty() ? "" : network.cluster + ".";
    if (name.starts_with(prefix + "network.")) return &network;
  }
  return nullptr;
}

/// Why a parameter is not even in play.
std::string fixed_because(const Calibration& calibration, std::string_view name) {
  const NetworkCalibration* network = network_of(calibration, name);
  if (name.ends_with("beta_inter_s_per_byte") && network != nullptr && !network->bytes_known)
    return "a convention while no workload says its grad_bytes: add that column, or measure a "
           "sweep";
  if (name.ends_with("crowding"))
    return "part of the network's until its collectives are timed inside training";
  if (name.ends_with("contention")) return "part of beta until a sweep shows the network alone";
  return "held fixed: nothing in these data bears on it";
}

}  // namespace

std::vector<ParameterExplanation> explain_parameters(const Calibration& calibration) {
  constexpr double kFixedSd = 1e-3;
  std::vector<ParameterExplanation> out;
  for (const Parameter& p : calibration.parameters) {
    ParameterExplanation one{.parameter = p, .in_play = p.prior_sd > kFixedSd, .remedy = ""};
    if (!one.in_play) {
      one.remedy = fixed_because(calibration, p.name);
    } else if (!p.determined) {
      one.remedy = remedy_for(p.name);
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace forerun
