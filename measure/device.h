// Where a rank trains: its CPUs, or one GPU. Nothing outside the implementations knows which it is.
#pragma once

#include <torch/types.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "measure/data/dataset.h"
#include "measure/mark.h"
#include "measure/optimizer.h"

namespace forerun {

class LossScale;

/// `tensor` in memory as `like`, of the same sizes: a copy only where they differ.
torch::Tensor lying_like(const torch::Tensor& like, const torch::Tensor& tensor);

/// Weights that are updated together: all tensors without gaps, gradients in memory as the weights,
/// `state` [state_copies x weights].
struct UpdatePiece {
  torch::Tensor weights, gradients, state;
};

/// The most memory that was in use, of one training; of a GPU what its other trainings wasted, too:
/// pieces of what LibTorch reserved for them that nobody used.
struct MemoryPeak {
  double bytes = 0;  ///< in all; on a GPU beyond what its context and other processes hold
  // Of a GPU.
  std::optional<double> allocated_bytes, reserved_bytes;  ///< by tensors; by LibTorch for them
  std::optional<double> library_bytes;                    ///< NCCL's, cuBLAS's and others'
  std::optional<double> nccl_bytes;                       ///< of that, as far as it was seen
  std::optional<double> free_at_start_bytes;              ///< Device::memory_bytes()
};

/// Watches memory from its construction on; one at a time.
class MemoryWatch {
 public:
  virtual ~MemoryWatch() = default;
  /// Of one training. `held_bytes`: what it and the bare process held all along, for devices that
  /// can only tell growth; `others_bytes`: what other trainings of this process held, for devices
  /// that tell the whole. nullopt where the system does not say.
  virtual std::optional<MemoryPeak> peak(double held_bytes, double others_bytes) const = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual torch::Device where() const = 0;
  /// Of a GPU, such as `0000:1b:00.0`; else empty.
  virtual std::string pci_address() const { return ""; }
  /// What a GPU had left at the start, for us alone.
  virtual std::optional<double> memory_bytes() const { return std::nullopt; }

  /// Now, behind the work that this thread has given.
  virtual Mark mark() = 0;
  /// What mark() costs the host.
  double mark_cost_s();
  /// Returns when all work is done: the only wait of the host in a step, after it.
  virtual void settle() {}
  /// On clock_now(); of a mark made before settle().
  virtual double seconds(const Mark& mark) const = 0;
  /// `tensor` where the host can read it after settle().
  virtual torch::Tensor to_host(const torch::Tensor& tensor) { return tensor; }

  /// The samples at these indices, on the device.
  virtual Batch load(const Dataset& data, const std::vector<int64_t>& indices) = 0;
  /// What load() will be asked for next, call by call: fetched while the device computes, where
  /// that costs the computing nothing.
  virtual void expect(const Dataset& /*data*/, std::vector<std::vector<int64_t>> /*indices*/) {}

  /// `to` <- factor * `from`, tensors of equal sizes; by flush() at the latest.
  virtual void copy_scaled(const torch::Tensor& to, const torch::Tensor& from, float factor) = 0;
  virtual void flush() {}
  /// One update of all pieces; `step` counts from 1. With a loss scale, which only a GPU takes, the
  /// update is left out where that says so, and numbered as that says.
  virtual void update(const Optimizer& optimizer, const std::vector<UpdatePiece>& pieces,
                      int64_t step, const LossScale* loss_scale = nullptr) = 0;

  virtual std::unique_ptr<MemoryWatch> watch_memory() = 0;
  /// Whether memory could not be had since this was last asked: libraries turn that into errors
  /// that do not say so.
  virtual bool ran_out_of_memory() { return false; }
  /// Gives freed memory back that is kept for later.
  virtual void empty_cache() {}

 private:
  double mark_cost_s_ = 0;
};

/// The CPUs that this process may use.
Device& cpu_device();

/// Whether this program knows other devices.
bool built_with_cuda();

/// `cpu`, or `cuda`: the GPU of this rank of its host. Throws Error where there is none.
std::unique_ptr<Device> make_device(const std::string& kind, int local_rank);

/// This rank, or one of its peers, could not get the memory that training needs. No peer waits for
/// us: the collectives that were begun were completed.
class OutOfMemory : public std::exception {
 public:
  const char* what() const noexcept override { return "out of memory"; }
};

/// Whether an exception, of whatever library, says that memory could not be had.
bool is_out_of_memory(const std::exception& error);

}  // namespace forerun
