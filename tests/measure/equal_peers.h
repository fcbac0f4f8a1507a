// A group without processes, for tests of what one rank does.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "measure/collective.h"

namespace forerun {

/// A group whose other members always hold what we hold: a sum is size times our value. Keeps what
/// was asked of it.
class EqualPeers : public Communicator {
 public:
  explicit EqualPeers(int size) : size_(size) {}

  int rank() const override { return 0; }
  int size() const override { return size_; }
  std::string transport() const override { return "none"; }
  void broadcast(std::span<std::byte>, int) override {}
  void barrier() override {}
  void park() override {}
  std::vector<std::string> gather(const std::string& message, int) override {
    return std::vector<std::string>(size_, message);
  }
  std::unique_ptr<Communicator> split(int) override { return nullptr; }
  [[noreturn]] void abort(int) override { std::abort(); }
  bool prepare(const std::function<void()>& work) override {
    if (prepares) work();
    return fits;
  }

  std::vector<size_t> counts;  ///< floats of each all-reduce
  bool prepares = false;       ///< as NCCL does
  bool fits = true;            ///< what it then needs of memory

 private:
  void run_here(Collective collective, std::span<float> buffer, int) override {
    if (collective != Collective::kAllreduce) std::abort();  // equal peers cannot play it
    for (float& x : buffer) x *= static_cast<float>(size_);
    counts.push_back(buffer.size());
  }
  std::unique_ptr<PendingCollective> start_behind(Collective collective, std::span<float> buffer,
                                                  int root, Reduction) override {
    run_here(collective, buffer, root);
    return std::make_unique<Done>();
  }

  struct Done : PendingCollective {
    void wait() override {}
    double started_s() const override { return 1; }
    double ended_s() const override { return 2; }
  };
  int size_;
};

}  // namespace forerun
