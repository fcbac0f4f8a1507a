#include "measure/cuda/attempt.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "measure/cuda/check.h"

namespace forerun {
namespace {

constexpr auto kPause = std::chrono::milliseconds(1);
constexpr char kAtWork[] = "at work", kDone[] = "done", kNoMemory[] = "no memory";

}  // namespace

Attempt::Attempt(int device, std::function<void()> work) : standing_(kAtWork) {
  thread_ = std::thread([this, device, work = std::move(work)] { run(device, work); });
}

Attempt::~Attempt() { thread_.join(); }

void Attempt::run(int device, const std::function<void()>& work) {
  std::string standing = kDone;
  std::exception_ptr error;
  try {
    CUDA_CHECK(cudaSetDevice(device));
    work();
  } catch (const OutOfGpuMemory&) {
    standing = kNoMemory;
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  standing_ = standing;
  error_ = error;
}

std::string Attempt::standing() const {
  const std::lock_guard lock(mutex_);
  if (error_ != nullptr) std::rethrow_exception(error_);
  return standing_;
}

bool Attempt::succeeds(Communicator& control) {
  while (true) {
    const std::vector<std::string> all = control.all_gather(standing());
    if (std::ranges::find(all, kNoMemory) != all.end()) return false;
    if (std::ranges::find(all, kAtWork) == all.end()) return true;
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace forerun
