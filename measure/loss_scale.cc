#include "measure/loss_scale.h"

#include <torch/torch.h>

namespace forerun {
namespace {

constexpr double kFirstScale = 65536;
constexpr double kGrowth = 2, kBackoff = 0.5;
constexpr int64_t kGrowthInterval = 2000;

}  // namespace

LossScale::LossScale(torch::Device device)
    : scale_(torch::full({1}, kFirstScale, device)),
      growth_(torch::zeros({1}, torch::TensorOptions(device).dtype(torch::kInt32))),
      updates_(torch::zeros({}, device)),
      overflow_(torch::zeros({1}, device)) {}

void LossScale::unscale(const std::vector<UpdatePiece>& pieces) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients;
  for (const UpdatePiece& piece : pieces) gradients.push_back(piece.gradients);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, overflow_, scale_.reciprocal());
}

void LossScale::adapt() {
  const torch::NoGradGuard no_grad;
  updates_ += 1 - overflow_.squeeze();
  at::_amp_update_scale_(scale_, growth_, overflow_, kGrowth, kBackoff, kGrowthInterval);
  overflow_.zero_();
}

}  // namespace forerun
