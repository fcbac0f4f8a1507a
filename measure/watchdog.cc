#include "measure/watchdog.h"

#include <algorithm>
#include <chrono>

#include "measure/clock.h"

namespace forerun {

Watchdog::Watchdog(double timeout_s, std::function<void(const std::string&)> bite,
                   std::function<void()> tick)
    : timeout_s_(timeout_s), bite_(std::move(bite)), tick_(std::move(tick)), last_s_(clock_now()) {
  thread_ = std::thread([this] { run(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::progress() {
  const std::lock_guard lock(mutex_);
  last_s_ = clock_now();
}

void Watchdog::expect(const std::string& phase, double extra_s) {
  const std::lock_guard lock(mutex_);
  phase_ = phase;
  extra_s_ = extra_s;
  last_s_ = clock_now();
}

std::string Watchdog::phase() const {
  const std::lock_guard lock(mutex_);
  return phase_;
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const double left = last_s_ + timeout_s_ + extra_s_ - clock_now();
    if (left <= 0) {
      const std::string phase = phase_;
      lock.unlock();
      bite_(phase);
      return;
    }
    lock.unlock();
    tick_();
    lock.lock();
    changed_.wait_for(lock, std::chrono::duration<double>(std::min(left, 1.0)),
                      [this] { return stopping_; });
  }
}

}  // namespace forerun
