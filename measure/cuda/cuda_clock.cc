#include "measure/cuda/cuda_clock.h"

#include <mutex>
#include <vector>

#include "measure/clock.h"
#include "measure/cuda/check.h"

namespace forerun {
namespace {

constexpr int kAnchorTries = 5;  // the one that took the host least is the closest

}  // namespace

/// Outlives the clock where a mark does.
struct CudaClock::Pool {
  explicit Pool(int of_device) : device(of_device) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (const cudaEvent_t event : idle) cudaEventDestroy(event);
  }

  cudaEvent_t take() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) {
      CUDA_CHECK(cudaSetDevice(device));  // autograd's threads come with another
      cudaEvent_t event = nullptr;
      CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDefault));
      return event;
    }
    const cudaEvent_t event = idle.back();
    idle.pop_back();
    return event;
  }

  void give_back(cudaEvent_t event) {
    const std::lock_guard lock(mutex);
    idle.push_back(event);
  }

  const int device;
  std::mutex mutex;
  std::vector<cudaEvent_t> idle;
};

CudaClock::CudaClock(int device) : pool_(std::make_shared<Pool>(device)) {
  CUDA_CHECK(cudaSetDevice(device));
  CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  take_anchor();
}

CudaClock::~CudaClock() {
  pool_->give_back(anchor_);
  cudaStreamDestroy(stream_);
}

Mark CudaClock::record(cudaStream_t stream) {
  const cudaEvent_t event = pool_->take();
  Mark mark{clock_now(),
            {event, [pool = pool_](void* e) { pool->give_back(static_cast<cudaEvent_t>(e)); }}};
  CUDA_CHECK(cudaEventRecord(event, stream));
  return mark;
}

double CudaClock::seconds(const Mark& mark) const {
  if (mark.event == nullptr) return mark.host_s;
  float elapsed_ms = 0;
  CUDA_CHECK(cudaEventElapsedTime(&elapsed_ms, anchor_, event_of(mark)));
  return anchor_s_ + elapsed_ms * 1e-3;
}

void CudaClock::anchor() {
  if (clock_now() - anchor_s_ > kAnchorAge) take_anchor();
}

void CudaClock::take_anchor() {
  double shortest_s = 0;
  for (int i = 0; i < kAnchorTries; ++i) {
    const cudaEvent_t event = pool_->take();
    const double before_s = clock_now();
    CUDA_CHECK(cudaEventRecord(event, stream_));
    CUDA_CHECK(cudaEventSynchronize(event));
    const double took_s = clock_now() - before_s;
    const bool closer = i == 0 || took_s < shortest_s;
    const cudaEvent_t worse = closer ? anchor_ : event;
    if (closer) {
      anchor_ = event;
      anchor_s_ = before_s + took_s / 2;
      shortest_s = took_s;
    }
    if (worse != nullptr) pool_->give_back(worse);
  }
}

CudaClock& cuda_clock() {
  // Never destroyed: at the end of the process the driver may be gone before our statics.
  static CudaClock* const clock = [] {
    int device = 0;
    CUDA_CHECK(cudaGetDevice(&device));
    return new CudaClock(device);
  }();
  return *clock;
}

}  // namespace forerun
