#include "measure/zoo/zoo.h"

#include <torch/utils.h>

#include <filesystem>

#include "measure/zoo/layers.h"
#include "measure/zoo/models.h"
#include "measure/zoo/script_model.h"
#include "model/error.h"
#include "model/io/command_line.h"

namespace forerun {
namespace {

Workload images(const char* name, const char* about, InputShape input, int classes,
                decltype(make_resnet18)* make) {
  return {.name = name, .about = about, .input = input, .classes = classes, .make = make};
}

Workload texts(const char* name, const char* about, InputShape input, int classes, int vocabulary,
               bool per_token, decltype(make_gpt2)* make) {
  return {name, about, input, classes, vocabulary, per_token, make};
}

bool names_a_file(const std::string& model) {
  const std::string extension = std::filesystem::path(model).extension().string();
  return extension == ".pt" || extension == ".pth" || extension == ".ts" ||
         model.find('/') != std::string::npos || std::filesystem::is_regular_file(model);
}

Workload named(const std::string& model) {
  std::vector<std::string> names;
  for (const Workload& workload : zoo()) {
    if (workload.name == model) return workload;
    names.push_back(workload.name);
  }
  std::vector<std::string> candidates = near_names(model, names);
  const bool near = !candidates.empty();
  if (!near) candidates = names;
  std::string list;
  for (const std::string& name : candidates) list += (list.empty() ? "" : ", ") + name;
  throw UsageError("unknown model `" + model + "` (" + (near ? "did you mean " : "there are ") +
                   list + "; or the path of a TorchScript file)");
}

torch::Tensor one_sample(const Workload& workload) {
  std::vector<int64_t> shape = workload.input.dimensions();
  shape.insert(shape.begin(), 1);
  return torch::zeros(shape, workload.input.is_text() ? torch::kInt64 : torch::kFloat32);
}

/// Builds and runs it dry, so that an impossible input is refused now and by name.
void require_fits(const Workload& workload) {
  try {
    workload_facts(workload);
  } catch (const std::exception& error) {
    throw UsageError(workload.name + " cannot take " + workload.input.text() + " with " +
                     std::to_string(workload.classes) +
                     " classes: " + std::string(error.what()).substr(0, 200));
  }
}

}  // namespace

const std::vector<Workload>& zoo() {
  const InputShape imagenet = InputShape::image(3, 224, 224);
  static const std::vector<Workload> all = {
      images("mnist-cnn", "2 convolutions, 2 linear (PyTorch's MNIST example, no dropout)",
             InputShape::image(1, 28, 28), 10, make_mnist_cnn),
      images("cifar-cnn", "4 convolutions, 2 linear (Keras' CIFAR-10 example, no dropout)",
             InputShape::image(3, 32, 32), 10, make_cifar_cnn),
      images("mobilenet_v2", "inverted residuals (Sandler et al. 2018)", imagenet, 1000,
             make_mobilenet_v2),
      images("densenet121", "dense blocks (Huang et al. 2017)", imagenet, 1000, make_densenet121),
      images("resnet18", "residual blocks (He et al. 2016); up to 64 pixels with CIFAR's stem",
             imagenet, 1000, make_resnet18),
      images("resnet50", "bottlenecks (He et al. 2016); up to 64 pixels with CIFAR's stem",
             imagenet, 1000, make_resnet50),
      images("vit_b_16", "vision transformer (Dosovitskiy et al. 2021)", imagenet, 1000,
             make_vit_b_16),
      texts("bert-base", "text classifier on BERT (Devlin et al. 2019)", InputShape::text(128), 2,
            30522, false, make_bert_base),
      texts("gpt2", "language model (Radford et al. 2019)", InputShape::text(128), 50257, 50257,
            true, make_gpt2),
      images("vgg16", "13 convolutions, 3 linear (Simonyan and Zisserman 2015)", imagenet, 1000,
             make_vgg16),
  };
  return all;
}

void require_image(const InputShape& input, int least) {
  if (input.is_text() || input.height < least || input.width < least) {
    throw UsageError("input " + input.text() + ": needed is an image CxHxW of at least " +
                     std::to_string(least) + "x" + std::to_string(least) + " pixels");
  }
}

void require_text(const InputShape& input, int most) {
  if (!input.is_text() || input.tokens > most) {
    throw UsageError("input " + input.text() + ": needed is a number of tokens, at most " +
                     std::to_string(most));
  }
}

Workload find_workload(const std::string& model, const std::string& input, int classes) {
  if (names_a_file(model)) {
    if (!std::filesystem::is_regular_file(model)) {
      throw UsageError(model + ": no such file (expected a TorchScript model; `measure models` " +
                       "lists those that need none)");
    }
    if (input.empty()) {
      throw UsageError(model + ": a TorchScript file does not say what it takes: add --input " +
                       "3x224x224 (channels x height x width) or --input 128 (tokens)");
    }
    return script_workload(model, InputShape::parse(input));
  }
  Workload workload = named(model);
  if (!input.empty()) workload.input = InputShape::parse(input);
  if (classes > 0) workload.classes = classes;
  if (workload.per_token) workload.vocabulary = workload.classes;
  require_fits(workload);
  return workload;
}

std::shared_ptr<NeuralNetwork> build_network(const Workload& workload, uint64_t seed) {
  torch::manual_seed(seed);
  return workload.make(workload.input, workload.classes);
}

NetworkFacts workload_facts(const Workload& workload) {
  std::shared_ptr<NeuralNetwork> network;
  {
    const layers::DryRun unset_weights;
    network = workload.make(workload.input, workload.classes);
  }
  return network_facts(*network, one_sample(workload));
}

}  // namespace forerun
