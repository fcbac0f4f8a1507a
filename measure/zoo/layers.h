// Layers that hold weights and do nearly all of the arithmetic. They compute what torch::nn's do;
// what they add is the dry run: a network of a hundred million weights is built, and its work
// counted, in milliseconds.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

namespace forerun::layers {

/// While one exists, layers built on this thread leave their weights unset, and layers run on it
/// count their work and return zeros of the right shape. Not nested.
class DryRun {
 public:
  DryRun();
  ~DryRun();
  DryRun(const DryRun&) = delete;
  DryRun& operator=(const DryRun&) = delete;

  /// Forward, so far: two for each multiply and add.
  double flop() const;
};

/// Draws a layer's weights; `bias` may be undefined.
using Init = void (*)(torch::Tensor& weight, torch::Tensor& bias);

/// torch.nn's own: uniform within 1/sqrt(fan_in), both.
void uniform_fan_in(torch::Tensor& weight, torch::Tensor& bias);
/// He et al. 2015, for ReLU: normal with variance 2/fan; no bias.
void kaiming_fan_out(torch::Tensor& weight, torch::Tensor& bias);
void kaiming_fan_in(torch::Tensor& weight, torch::Tensor& bias);
/// Glorot and Bengio 2010; no bias.
void xavier(torch::Tensor& weight, torch::Tensor& bias);
/// Normal with standard deviation 0.01, 0.02; no bias.
void normal_001(torch::Tensor& weight, torch::Tensor& bias);
void normal_002(torch::Tensor& weight, torch::Tensor& bias);
void zero(torch::Tensor& weight, torch::Tensor& bias);

struct ConvOptions {
  int kernel = 3;
  int stride = 1;
  int padding = 0;
  int groups = 1;
  bool bias = false;
};

/// [n x in x h x w] -> [n x out x h' x w']
class Conv2d : public torch::nn::Module {
 public:
  Conv2d(int in, int out, ConvOptions options, Init init = kaiming_fan_out);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  ConvOptions options_;
  torch::Tensor weight_, bias_;
};

/// [... x in] -> [... x out]
class Linear : public torch::nn::Module {
 public:
  Linear(int in, int out, Init init = uniform_fan_in);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::Tensor weight_, bias_;
};

/// [... ] int64 -> [... x width]; normal with standard deviation 0.02.
class Embedding : public torch::nn::Module {
 public:
  Embedding(int rows, int width);
  torch::Tensor forward(const torch::Tensor& indices);
  const torch::Tensor& weight() const { return weight_; }

 private:
  torch::Tensor weight_;
};

/// x W^T: a product with weights that belong to another layer.
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight,
                     const torch::Tensor& bias = {});

/// softmax(q k^T / sqrt(d)) v for [batch x heads x tokens x d]. `causal`: a token sees itself and
/// those before it. `dropout`: of the attention weights.
torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        bool causal, double dropout);

/// A parameter of a layer: drawn by `init`, or left unset in a dry run.
torch::Tensor new_weight(at::IntArrayRef shape, Init init);

}  // namespace forerun::layers
