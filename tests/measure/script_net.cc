// script_net FILE: writes a TorchScript network for images of 3x32x32 that reads offset.bin in the
// working folder. It throws in the middle of a step: in the forward pass where that file is gone,
// in the backward pass, with the head's gradient already on its way, where it is not of zeros.

#include <torch/script.h>

int main(int, char** argv) {
  torch::jit::Module module("Net");
  torch::manual_seed(1);
  module.register_parameter("kernel", torch::randn({16, 3, 3, 3}).requires_grad_(), false);
  module.register_parameter("head", torch::randn({16, 10}).requires_grad_(), false);
  // As many numbers as samples: a constant would be read once, when the interpreter optimizes. No
  // gradient of igamma() is known.
  module.define(R"(
def forward(self, x):
  features = torch.sigmoid(torch.conv2d(x, self.kernel)).mean([2, 3])
  offset = torch.from_file('offset.bin', False, x.size(0))
  if bool(offset[0] != 0):
    features = torch.igamma(features, features)
  return features.matmul(self.head)
)");
  module.save(argv[1]);
}
