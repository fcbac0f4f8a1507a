// Watches over the NCCL communicators of a process: a kernel whose peer is gone never ends.
#pragma once

#include <nccl.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "measure/mark.h"

namespace forerun {

/// A thread that asks every kPeriod for asynchronous errors and for collectives beyond the timeout.
/// Either ends in ncclCommAbort of all communicators, and then in `failed`.
class NcclWatch {
 public:
  static constexpr double kPeriod = 0.1;  // s

  /// `failed` is called once, on the watch's thread, with what went wrong. The job cannot go on.
  NcclWatch(int device, double timeout_s, std::function<void(const std::string& what)> failed);
  NcclWatch(const NcclWatch&) = delete;
  NcclWatch& operator=(const NcclWatch&) = delete;
  ~NcclWatch();

  void add(ncclComm_t comm, std::string name);
  void remove(ncclComm_t comm);
  /// A collective whose end is due within the timeout once those before it, which run on the same
  /// stream, have ended.
  void expect(const Mark& end, std::string what);

  bool sound() const;
  /// Throws Error once anything went wrong: what is in the buffers is worth nothing.
  void require_sound() const;

  /// While a thread is inside NCCL with a communicator: no abort takes it away below that thread,
  /// but where it stays beyond kGrace, the abort is what brings it back.
  class Call {
   public:
    /// Throws Error as require_sound() does.
    explicit Call(NcclWatch& watch);
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call();

   private:
    NcclWatch& watch_;
  };
  static constexpr double kGrace = 1;  // s
  /// Until no thread is inside, for kGrace at most.
  void await_calls();

 private:
  struct UnderWay {
    Mark end;
    std::string what;
    double since_s = 0;  ///< on clock_now()
  };
  struct Watched {
    ncclComm_t comm = nullptr;
    std::string name;
  };

  void run();
  std::string trouble();
  std::string trouble_of_communicators() const;
  std::string trouble_of_collectives();
  void give_up(std::unique_lock<std::mutex>& lock, const std::string& what);

  const int device_;
  const double timeout_s_;
  const std::function<void(const std::string&)> failed_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  int calls_ = 0;  ///< of other threads, inside NCCL
  std::string failure_;
  std::vector<Watched> communicators_;
  std::deque<UnderWay> under_way_;
  std::thread thread_;
};

}  // namespace forerun
