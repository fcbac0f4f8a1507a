// Ends a job that stopped moving. Every wait of a rank has a deadline.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace forerun {

/// A thread that calls `bite` once, with the phase, when no progress() came in time; until then
/// `tick`, about once a second.
class Watchdog {
 public:
  /// `timeout_s` without progress is too long. Ranks that only wait for others should give a longer
  /// one through expect().
  Watchdog(
      double timeout_s, std::function<void(const std::string& phase)> bite,
      std::function<void()> tick = [] {});
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  /// Something was done; the next sign of life is due within the timeout.
  void progress();
  /// What is done now, and that it may take `extra_s` beyond the timeout.
  void expect(const std::string& phase, double extra_s = 0);
  std::string phase() const;

 private:
  void run();

  const double timeout_s_;
  const std::function<void(const std::string&)> bite_;
  const std::function<void()> tick_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string phase_ = "starting";
  double extra_s_ = 0, last_s_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace forerun
