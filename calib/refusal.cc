#include "calib/refusal.h"

#include <cstdio>

#include "calib/evidence.h"
#include "model/io/wording.h"

namespace forerun {
namespace {

// How far beyond the measured batches the compute curve is believed, and how far beyond the largest
// measured world size the network is: factors.
constexpr double kBatchReach = 4;
constexpr double kScaleReach = 16;

/// `3 GPUs on 1 node`
std::string devices_on_nodes(const Configuration& at, const std::string& device) {
  return count(at.world_size(), device) + " on " + count(at.placement.nodes(), "node");
}

std::string settled_by(const std::string& command) { return "; settle it with: " + command; }

std::string measure_command(const WorkloadCalibration& w, const NetworkCalibration& network,
                            int world_size) {
  return "measure --model " + measure_arguments(w, network) + " --world-sizes " +
         std::to_string(world_size);
}

/// A level of the network, or a placement on it, that nothing was measured on.
std::string unknown_network(const WorkloadCalibration& w, const NetworkCalibration& network,
                            const Configuration& at, const std::string& device) {
  const int n = at.world_size();
  const std::string asked = devices_on_nodes(at, device);
  const std::string settle = settled_by(measure_command(w, network, n));
  if (at.placement.nodes() > 1 && !network.inter_measured) {
    return "nothing was measured between nodes, and " + asked + " needs it" + settle +
           " (on at least 2 nodes)";
  }
  if (n > 1 && at.placement.nodes() == 1 && !network.intra_measured) {
    return "nothing was measured on several " + device + "s of one node, and " + asked +
           " needs it" + settle;
  }
  if (at.placement.max_ranks_per_node() > 1 && network.max_gpus_per_node == 1) {
    return "only one " + device + " per node was ever used, and " + asked + " shares a node" +
           settle;
  }
  if (n > kScaleReach * network.max_gpus) {
    return asked + " is more than " + std::to_string(static_cast<int>(kScaleReach)) +
           " times the largest world size measured (" + std::to_string(network.max_gpus) + ")" +
           settled_by(measure_command(
               w, network,
               (n + static_cast<int>(kScaleReach) - 1) / static_cast<int>(kScaleReach)));
  }
  return "";
}

/// Bytes that nobody told, of a workload that never communicated.
std::string unknown_bytes(const WorkloadCalibration& w, const NetworkCalibration& network,
                          const Configuration& at, const std::string& device) {
  if (at.world_size() == 1 || w.max_gpus > 1) return "";
  const std::string settle = "; settle it with a grad_bytes column";
  const std::string measure = ", or: " + measure_command(w, network, at.world_size());
  const std::string alone = w.name + " was measured on one " + device + " only, and ";
  if (w.grad_bytes <= 0) return alone + "its gradient bytes are unknown" + settle + measure;
  if (network.bytes_known) return "";
  return alone +
         "what a byte costs on this network is unknown because no other workload says its "
         "grad_bytes" +
         settle + " for those" + measure;
}

std::string batch_out_of_reach(const WorkloadCalibration& w, const NetworkCalibration& network,
                               const Configuration& at) {
  const double least = w.batches_measured.front(), most = w.batches_measured.back();
  if (at.local_batch <= kBatchReach * most && at.local_batch * kBatchReach >= least) return "";
  char text[160];
  std::snprintf(text, sizeof text, "local batch %d is far from those measured (%g to %g)",
                at.local_batch, least, most);
  return text + settled_by("measure --model " + measure_arguments(w, network) + " --local-batch " +
                           std::to_string(at.local_batch));
}

}  // namespace

std::string refusal(const WorkloadCalibration& w, const NetworkCalibration& network,
                    const Configuration& at, const std::string& device) {
  std::string why = unknown_network(w, network, at, device);
  if (why.empty()) why = unknown_bytes(w, network, at, device);
  if (why.empty()) why = batch_out_of_reach(w, network, at);
  return why;
}

}  // namespace forerun
