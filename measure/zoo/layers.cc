#include "measure/zoo/layers.h"

#include <torch/nn/init.h>
#include <torch/version.h>

#include <cmath>

#include "model/error.h"

namespace forerun::layers {
namespace {

thread_local bool dry = false;
thread_local double dry_flop = 0;

int64_t conv_length(int64_t length, const ConvOptions& options) {
  return (length + 2 * options.padding - options.kernel) / options.stride + 1;
}

/// What a convolution returns, without computing it.
torch::Tensor dry_conv(const torch::Tensor& x, const torch::Tensor& weight,
                       const ConvOptions& options) {
  const int64_t height = conv_length(x.size(2), options), width = conv_length(x.size(3), options);
  if (x.size(1) != weight.size(1) * options.groups || height < 1 || width < 1) {
    throw Error("a convolution cannot take " + std::to_string(x.size(1)) + "x" +
                std::to_string(x.size(2)) + "x" + std::to_string(x.size(3)));
  }
  dry_flop += 2.0 * static_cast<double>(weight.numel() * x.size(0) * height * width);
  return torch::zeros({x.size(0), weight.size(0), height, width});
}

void zero_bias(torch::Tensor& bias) {
  if (bias.defined()) torch::nn::init::zeros_(bias);
}

void kaiming(torch::Tensor& weight, torch::nn::init::FanModeType mode) {
  torch::nn::init::kaiming_normal_(weight, 0, mode, torch::kReLU);
}

}  // namespace

DryRun::DryRun() {
  dry = true;
  dry_flop = 0;
}
DryRun::~DryRun() { dry = false; }
double DryRun::flop() const { return dry_flop; }

void uniform_fan_in(torch::Tensor& weight, torch::Tensor& bias) {
  const double bound = std::sqrt(static_cast<double>(weight.size(0)) / weight.numel());
  torch::nn::init::uniform_(weight, -bound, bound);
  if (bias.defined()) torch::nn::init::uniform_(bias, -bound, bound);
}

void kaiming_fan_out(torch::Tensor& weight, torch::Tensor& bias) {
  kaiming(weight, torch::kFanOut);
  zero_bias(bias);
}

void kaiming_fan_in(torch::Tensor& weight, torch::Tensor& bias) {
  kaiming(weight, torch::kFanIn);
  zero_bias(bias);
}

void xavier(torch::Tensor& weight, torch::Tensor& bias) {
  torch::nn::init::xavier_uniform_(weight);
  zero_bias(bias);
}

void normal_001(torch::Tensor& weight, torch::Tensor& bias) {
  torch::nn::init::normal_(weight, 0, 0.01);
  zero_bias(bias);
}

void normal_002(torch::Tensor& weight, torch::Tensor& bias) {
  torch::nn::init::normal_(weight, 0, 0.02);
  zero_bias(bias);
}

void zero(torch::Tensor& weight, torch::Tensor& bias) {
  torch::nn::init::zeros_(weight);
  zero_bias(bias);
}

torch::Tensor new_weight(at::IntArrayRef shape, Init init) {
  torch::Tensor weight = torch::empty(shape), none;
  if (!dry) init(weight, none);
  return weight;
}

Conv2d::Conv2d(int in, int out, ConvOptions options, Init init) : options_(options) {
  weight_ = torch::empty({out, in / options.groups, options.kernel, options.kernel});
  if (options.bias) bias_ = torch::empty({out});
  if (!dry) init(weight_, bias_);
  weight_ = register_parameter("weight", weight_);
  if (options.bias) bias_ = register_parameter("bias", bias_);
}

torch::Tensor Conv2d::forward(const torch::Tensor& x) {
  if (dry) return dry_conv(x, weight_, options_);
  return torch::conv2d(x, weight_, bias_, options_.stride, options_.padding, 1, options_.groups);
}

Linear::Linear(int in, int out, Init init) {
  weight_ = torch::empty({out, in});
  bias_ = torch::empty({out});
  if (!dry) init(weight_, bias_);
  weight_ = register_parameter("weight", weight_);
  bias_ = register_parameter("bias", bias_);
}

torch::Tensor Linear::forward(const torch::Tensor& x) { return linear(x, weight_, bias_); }

Embedding::Embedding(int rows, int width)
    : weight_(register_parameter("weight", new_weight({rows, width}, normal_002))) {}

torch::Tensor Embedding::forward(const torch::Tensor& indices) {
  return torch::embedding(weight_, indices);
}

torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight,
                     const torch::Tensor& bias) {
  if (!dry) return torch::linear(x, weight, bias);
  std::vector<int64_t> shape = x.sizes().vec();
  if (shape.back() != weight.size(1)) {
    throw Error("a layer of " + std::to_string(weight.size(1)) + " inputs cannot take " +
                std::to_string(shape.back()));
  }
  dry_flop += 2.0 * static_cast<double>(x.numel() * weight.size(0));
  shape.back() = weight.size(0);
  return torch::zeros(shape);
}

torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        bool causal, double dropout) {
  if (dry) {
    dry_flop += 4.0 * static_cast<double>(q.numel() * k.size(2));
    return torch::zeros(q.sizes());
  }
#if TORCH_VERSION_MAJOR >= 2
  return at::scaled_dot_product_attention(q, k, v, {}, dropout, causal);
#else
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  torch::Tensor weights = torch::matmul(q * scale, k.transpose(-2, -1));
  if (causal) {
    const torch::Tensor later =
        torch::ones({q.size(2), k.size(2)}, q.options().dtype(torch::kBool)).triu(1);
    weights = weights.masked_fill(later, -std::numeric_limits<float>::infinity());
  }
  weights = torch::softmax(weights, -1);
  return torch::matmul(torch::dropout(weights, dropout, dropout > 0), v);
#endif
}

}  // namespace forerun::layers
