#include "measure/zoo/network.h"

#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

#include "measure/zoo/layers.h"

namespace forerun {

torch::Tensor cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets) {
  return torch::nn::functional::cross_entropy(logits.reshape({-1, logits.size(-1)}),
                                              targets.reshape({-1}));
}

double accuracy(const torch::Tensor& logits, const torch::Tensor& targets) {
  return logits.argmax(-1).eq(targets).to(torch::kFloat64).mean().item<double>();
}

NetworkFacts network_facts(NeuralNetwork& network, const torch::Tensor& inputs) {
  NetworkFacts facts;
  for (const torch::Tensor& parameter : network.parameters()) {
    if (!parameter.requires_grad()) continue;
    facts.parameters += static_cast<double>(parameter.numel());
    facts.grad_bytes += static_cast<double>(parameter.numel() * parameter.element_size());
  }
  const torch::NoGradGuard no_grad;
  const layers::DryRun run;
  const bool was_training = network.is_training();
  network.eval();  // batch statistics stay as they are
  network.forward(inputs);
  network.train(was_training);
  facts.flop_per_sample = 3 * run.flop() / static_cast<double>(inputs.size(0));
  return facts;
}

}  // namespace forerun
