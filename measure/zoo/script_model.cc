#include "measure/zoo/script_model.h"

#include <torch/script.h>

#include "model/error.h"

namespace forerun {
namespace {

/// What LibTorch says, in one line.
std::string first_line(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

/// The tensors are the script's own: training them trains it.
class ScriptNetwork : public NeuralNetwork {
 public:
  explicit ScriptNetwork(const std::filesystem::path& file) : file_(file) {
    try {
      module_ = torch::jit::load(file.string());
    } catch (const c10::Error& error) {
      throw Error(file.string() + ": not a TorchScript file (`torch.jit.script(net).save(...)` " +
                  "writes one; a state_dict is not enough): " + first_line(error));
    }
    for (const auto& item : module_.named_parameters()) {
      register_parameter(plain(item.name), item.value, item.value.requires_grad());
    }
    for (const auto& item : module_.named_buffers()) register_buffer(plain(item.name), item.value);
    require_trainable();
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    const torch::IValue out = module_.forward({inputs});
    if (!out.isTensor()) {
      throw Error(file_.string() + ": returns a " + out.tagKind() +
                  ", needed is one tensor of logits");
    }
    return out.toTensor();
  }

  void train(bool on = true) override {
    NeuralNetwork::train(on);
    module_.train(on);
  }

 private:
  void require_trainable() const {
    for (const torch::Tensor& parameter : parameters()) {
      if (parameter.requires_grad()) return;
    }
    throw Error(file_.string() +
                ": has no parameters to train (frozen or traced with constants): save it by "
                "torch.jit.script before torch.jit.freeze or optimize_for_inference");
  }

  /// torch::nn allows no dots in a parameter's own name.
  static std::string plain(std::string name) {
    std::replace(name.begin(), name.end(), '.', '/');
    return name;
  }

  std::filesystem::path file_;
  torch::jit::Module module_;
};

/// Texts: tokens must stay inside the first parameter, which is the embedding in every common
/// network.
int vocabulary_of(const NeuralNetwork& network) {
  const torch::Tensor first = network.parameters().front();
  return first.dim() == 2 ? static_cast<int>(first.size(0)) : 2;
}

/// The logits of one sample.
torch::Tensor probe(NeuralNetwork& network, const std::filesystem::path& file,
                    const InputShape& input) {
  std::vector<int64_t> shape = input.dimensions();
  shape.insert(shape.begin(), 1);
  const torch::NoGradGuard no_grad;
  network.eval();
  try {
    return network.forward(torch::zeros(shape, input.is_text() ? torch::kInt64 : torch::kFloat32));
  } catch (const std::exception& error) {
    if (dynamic_cast<const Error*>(&error) != nullptr) throw;
    throw Error(file.string() + ": cannot take an input of " + input.text() + "; name another by " +
                "--input. It says: " + std::string(error.what()).substr(0, 300));
  }
}

}  // namespace

Workload script_workload(const std::filesystem::path& file, const InputShape& input) {
  if (!std::filesystem::is_regular_file(file)) {
    throw Error(file.string() + ": no such file (a TorchScript network was expected)");
  }
  ScriptNetwork network(file);
  const torch::Tensor logits = probe(network, file, input);
  const bool per_token = logits.dim() == 3;
  if ((logits.dim() != 2 && !per_token) || logits.size(0) != 1 ||
      (per_token && logits.size(1) != input.tokens)) {
    throw Error(file.string() + ": gives " + c10::str(logits.sizes()) + " for one sample of " +
                input.text() + ", needed are logits [1 x classes] or [1 x tokens x classes]");
  }
  return {.name = file.stem().string(),
          .about = "TorchScript, " + file.string(),
          .input = input,
          .classes = static_cast<int>(logits.size(-1)),
          .vocabulary = input.is_text() ? vocabulary_of(network) : 0,
          .per_token = per_token,
          .make = [file](const InputShape&, int) -> std::shared_ptr<NeuralNetwork> {
            return std::make_shared<ScriptNetwork>(file);
          }};
}

}  // namespace forerun
