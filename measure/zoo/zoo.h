// What can be trained: the zoo's networks, and TorchScript files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "measure/data/input_shape.h"
#include "measure/zoo/network.h"

namespace forerun {

/// A network to train, its input, and the data that suit it.
struct Workload {
  std::string name;   ///< as in profile.json; a file's stem for TorchScript
  std::string about;  ///< one line: structure and source
  InputShape input;
  int classes = 0;         ///< size of the logits' last dimension
  int vocabulary = 0;      ///< texts: number of different tokens; 0 for images
  bool per_token = false;  ///< a target for every token
  /// Draws the weights from torch's global generator.
  std::function<std::shared_ptr<NeuralNetwork>(const InputShape& input, int classes)> make;
};

/// The zoo, smallest first, each with its published input and classes.
const std::vector<Workload>& zoo();

/// A zoo name, or the path of a TorchScript file (`.pt`, `.pth`, `.ts`, or any file that exists).
/// `input` and `classes` replace the workload's own; a TorchScript file does not know its input, so
/// there `input` is required. Throws UsageError for an unknown name (with near ones) or an input
/// that the network cannot take; Error for a file that cannot be trained, with the reason.
Workload find_workload(const std::string& model, const std::string& input = "", int classes = 0);

/// The network with weights that depend on nothing but the seed: equal on every rank.
std::shared_ptr<NeuralNetwork> build_network(const Workload& workload, uint64_t seed);

/// Parameters, bytes and FLOP of a workload. Zoo networks are built without memory for their
/// weights (milliseconds); a TorchScript file is loaded and run once.
NetworkFacts workload_facts(const Workload& workload);

}  // namespace forerun
