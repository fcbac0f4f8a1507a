// What a GPU does in a step. LibTorch's kernels for it also run on tensors of a CPU: those tests
// need no GPU; the others are skipped where there is none.
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <atomic>
#include <numeric>

#include "measure/cuda/cuda_device.h"
#include "measure/loss_scale.h"
#include "measure/trainer.h"
#include "tests/measure/equal_peers.h"

namespace {
std::atomic<int> g_waits{0};  // of the host for the GPU

template <class Function>
Function* next(const char* name) {
  ++g_waits;
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
}  // namespace

// In place of the runtime's, for everyone in this process: count, then wait. Those that give and
// take memory wait, too, some of them always; LibTorch keeps what it has.
extern "C" {
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return next<cudaError_t(cudaStream_t)>("cudaStreamSynchronize")(stream);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return next<cudaError_t(cudaEvent_t)>("cudaEventSynchronize")(event);
}
cudaError_t cudaDeviceSynchronize() { return next<cudaError_t()>("cudaDeviceSynchronize")(); }
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return next<cudaError_t(void*, const void*, size_t, cudaMemcpyKind)>("cudaMemcpy")(to, from,
                                                                                     bytes, kind);
}
cudaError_t cudaMalloc(void** data, size_t bytes) {
  return next<cudaError_t(void**, size_t)>("cudaMalloc")(data, bytes);
}
cudaError_t cudaFree(void* data) { return next<cudaError_t(void*)>("cudaFree")(data); }
cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned flags) {
  return next<cudaError_t(void**, size_t, unsigned)>("cudaHostAlloc")(data, bytes, flags);
}
cudaError_t cudaFreeHost(void* data) { return next<cudaError_t(void*)>("cudaFreeHost")(data); }
}

namespace forerun {
namespace {

UpdatePiece piece(const Optimizer& optimizer, const torch::Tensor& gradients) {
  return {torch::ones_like(gradients), gradients.clone(),
          torch::zeros({optimizer.state_copies(), gradients.numel()})};
}

class FusedUpdate : public testing::TestWithParam<std::string> {};

TEST_P(FusedUpdate, IsOursInOneCall) {
  const Optimizer optimizer = Optimizer::named(GetParam(), 0.05f);
  torch::manual_seed(1);
  const torch::Tensor flat = torch::randn({40}), image = torch::randn({2, 3, 4, 4});
  const auto pieces = [&] {
    return std::vector{piece(optimizer, flat),
                       piece(optimizer, image.contiguous(at::MemoryFormat::ChannelsLast))};
  };
  const std::vector<UpdatePiece> ours = pieces(), theirs = pieces();
  for (int64_t step = 1; step <= 3; ++step) {
    cpu_device().update(optimizer, ours, step);
    fused_update(optimizer, theirs, step);
  }
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_TRUE(torch::allclose(ours[i].weights, theirs[i].weights, 1e-5, 1e-6)) << i;
    EXPECT_TRUE(torch::allclose(ours[i].state, theirs[i].state, 1e-5, 1e-6)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Optimizers, FusedUpdate, testing::Values("sgd", "adam", "adamw"),
                         [](const auto& tested) { return tested.param; });

TEST(LossScale, LeavesOutAnUpdateThatOverflowed) {
  const Optimizer adam = Optimizer::named("adam", 0.1f);
  LossScale scale(torch::kCPU);
  EXPECT_EQ(scale.scaled(torch::ones({})).item<float>(), 65536);
  const UpdatePiece one = piece(adam, torch::full({16}, INFINITY));
  scale.unscale({one});
  fused_update(adam, {one}, 1, &scale);
  scale.adapt();
  EXPECT_TRUE(torch::equal(one.weights, torch::ones({16})));
  EXPECT_EQ(scale.scaled(torch::ones({})).item<float>(), 32768);
  EXPECT_EQ(scale.update_number().item<float>(), 1);

  one.gradients.fill_(3 * 32768);
  scale.unscale({one});
  EXPECT_EQ(one.gradients[0].item<float>(), 3);
  fused_update(adam, {one}, 2, &scale);  // the first that counts: as far as the learning rate
  scale.adapt();
  EXPECT_NEAR(one.weights[0].item<float>(), 0.9, 1e-6);
  EXPECT_EQ(scale.update_number().item<float>(), 2);
}

TEST(LossScale, DoublesAfterTwoThousandUpdates) {
  LossScale scale(torch::kCPU);
  for (int i = 0; i < 1999; ++i) scale.adapt();
  EXPECT_EQ(scale.scaled(torch::ones({})).item<float>(), 65536);
  scale.adapt();
  EXPECT_EQ(scale.scaled(torch::ones({})).item<float>(), 131072);
}

/// Weights and loss after a step of a network with batch normalization.
std::pair<std::vector<torch::Tensor>, float> after_a_step(const std::string& precision) {
  const Workload workload = find_workload("resnet18", "3x32x32");
  const auto data = make_synthetic({.shape = workload.input});
  TrainerOptions options;
  options.precision = find_precision(precision);
  Trainer trainer(workload, options);
  EqualPeers peers(2);
  trainer.attach(peers);
  std::vector<int64_t> samples(16);
  std::iota(samples.begin(), samples.end(), 0);
  const float loss = trainer.step(*data, samples).loss;
  return {trainer.parameters(), loss};
}

TEST(ChannelsLast, NormalizesTheSame) {
  const auto [here, loss] = after_a_step("float32");
  const auto [there, its_loss] = after_a_step("float32+channels-last");
  EXPECT_NEAR(loss, its_loss, 1e-4);
  for (size_t i = 0; i < here.size(); ++i) {
    EXPECT_TRUE(torch::allclose(here[i], there[i], 1e-3, 1e-4))
        << "parameter " << i << " is off by " << (here[i] - there[i]).abs().max().item<float>();
  }
}

class OnGpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
    static const std::unique_ptr<Device> device = make_device("cuda", 0);
    gpu_ = device.get();
  }
  /// Of one rank; steps have 16 samples.
  std::unique_ptr<Trainer> trainer(Device& device, const std::string& precision = "float32") {
    TrainerOptions options;
    options.device = &device;
    options.precision = find_precision(precision);
    options.buckets = {.first_bytes = 1000, .cap_bytes = 100000};
    auto made = std::make_unique<Trainer>(workload_, options);
    made->attach(alone_);
    return made;
  }
  StepSample step(Trainer& trainer, int64_t i) {
    const auto samples = [](int64_t first) {
      std::vector<int64_t> indices;
      for (int64_t k = 0; k < 16; ++k) indices.push_back(16 * first + k);
      return indices;
    };
    return trainer.step(*data_, samples(i), samples(i + 1));
  }

  Device* gpu_ = nullptr;
  Workload workload_ = find_workload("mnist-cnn", "1x12x12");
  std::shared_ptr<Dataset> data_ = make_synthetic({.shape = workload_.input});
  EqualPeers alone_{1};
};

TEST_F(OnGpu, TrainsLikeTheCpu) {
  const auto here = trainer(cpu_device()), there = trainer(*gpu_);
  for (int64_t i = 0; i < 5; ++i) {
    const StepSample cpu = step(*here, i), gpu = step(*there, i);
    EXPECT_NEAR(cpu.loss, gpu.loss, 1e-4);
    EXPECT_NEAR(gpu.load_s + gpu.forward_s + gpu.backward_s + gpu.exposed_comm_s + gpu.optimizer_s,
                gpu.step_time_s, 1e-9);
    EXPECT_GT(gpu.step_time_s, 0);
  }
  for (size_t i = 0; i < here->parameters().size(); ++i) {
    EXPECT_TRUE(torch::allclose(here->parameters()[i], there->parameters()[i].cpu(), 1e-3, 1e-4));
  }
}

TEST_F(OnGpu, WaitsOnceAStep) {
  const auto there = trainer(*gpu_);
  int64_t i = 0;
  while (i < 5) step(*there, i++);
  g_waits = 0;
  while (i < 15) step(*there, i++);
  EXPECT_GE(g_waits, 10);
  EXPECT_LE(g_waits, 10 + 5);  // and five times a second for the clock's anchor
}

TEST_F(OnGpu, LearnsInEveryPrecision) {
  for (const char* precision :
       {"float32", "tf32", "bfloat16", "float16", "float16+channels-last"}) {
    const auto there = trainer(*gpu_, precision);
    const float first = step(*there, 0).loss;
    float last = first;
    for (int i = 0; i < 30; ++i) last = step(*there, 0).loss;
    EXPECT_LT(last, first / 2) << precision;
  }
}

TEST_F(OnGpu, GoesOnAfterABatchThatDoesNotFit) {
  const auto there = trainer(*gpu_);
  step(*there, 0);
  EXPECT_THROW(torch::empty({int64_t{1} << 45}, gpu_->where()), c10::Error);
  try {
    torch::empty({int64_t{1} << 45}, gpu_->where());
  } catch (const std::exception& error) {
    EXPECT_TRUE(is_out_of_memory(error)) << error.what();
  }
  const auto watch = gpu_->watch_memory();
  EXPECT_TRUE(std::isfinite(step(*there, 1).loss));
  EXPECT_GT(watch->peak(0, 0)->bytes, there->state_bytes());
}

}  // namespace
}  // namespace forerun
