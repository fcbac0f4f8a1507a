#include "measure/cuda/stream_gate.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "measure/cuda/check.h"

namespace forerun {

struct StreamGate::Latch {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;

  /// What the stream does here, on a thread of the driver's; nothing of CUDA may be called in it.
  static void CUDART_CB wait(void* shared) {
    const std::unique_ptr<std::shared_ptr<Latch>> latch(
        static_cast<std::shared_ptr<Latch>*>(shared));
    std::unique_lock lock((*latch)->mutex);
    (*latch)->changed.wait_for(lock, std::chrono::duration<double>(kPatience),
                               [&] { return (*latch)->open; });
  }
};

StreamGate::StreamGate(cudaStream_t stream) : latch_(std::make_shared<Latch>()) {
  auto shared = std::make_unique<std::shared_ptr<Latch>>(latch_);
  CUDA_CHECK(cudaLaunchHostFunc(stream, Latch::wait, shared.get()));
  shared.release();  // wait() has it now
}

StreamGate::~StreamGate() {
  {
    const std::lock_guard lock(latch_->mutex);
    latch_->open = true;
  }
  latch_->changed.notify_all();
}

}  // namespace forerun
