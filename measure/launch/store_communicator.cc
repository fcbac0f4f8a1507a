#include "measure/launch/store_communicator.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "model/error.h"

namespace forerun {
namespace {

using std::chrono::microseconds;
constexpr microseconds kFirstPause{20}, kLongestPause{1000}, kParkedPause{5000};
constexpr int kAsksBetweenAbortChecks = 16;
constexpr char kAbortKey[] = "abort";
constexpr char kLeftKey[] = "left";
constexpr auto kPatienceAtTheEnd = std::chrono::seconds(10);
constexpr auto kLastWords = std::chrono::seconds(1);  // others read kAbortKey while rank 0 lives

// Slurm's jobs of one host at one time have different last digits; below are well-known ports,
// above is where Linux takes ports for outgoing connections from.
constexpr int kFirstPort = 20000, kPorts = 12000;

class StoreCommunicator : public Communicator {
 public:
  StoreCommunicator(std::shared_ptr<KeyValueStore> store, std::string prefix, int rank, int size,
                    bool serves)
      : store_(std::move(store)),
        prefix_(std::move(prefix)),
        rank_(rank),
        size_(size),
        serves_(serves) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string transport() const override { return "store"; }

  void broadcast(std::span<std::byte> buffer, int root) override {
    const std::string key = next_key();
    if (size_ == 1) return;
    if (rank_ == root) {
      store_->set(key, {reinterpret_cast<const char*>(buffer.data()), buffer.size()});
      return;
    }
    const std::string value = await(key, kLongestPause);
    if (value.size() != buffer.size()) {
      throw Error("rank " + std::to_string(root) + " sent " + std::to_string(value.size()) +
                  " bytes where rank " + std::to_string(rank_) + " expects " +
                  std::to_string(buffer.size()) + "; start all ranks alike");
    }
    std::memcpy(buffer.data(), value.data(), value.size());
    erase_as_last(key, {key}, size_ - 1);
  }

  void barrier() override { meet(kLongestPause); }
  void park() override { meet(kParkedPause); }

  std::vector<std::string> gather(const std::string& message, int root) override {
    const std::string key = next_key();
    if (rank_ != root) {
      store_->set(key + "/" + std::to_string(rank_), message);
      return {};
    }
    std::vector<std::string> messages(size_);
    for (int r = 0; r < size_; ++r) {
      if (r == root) {
        messages[r] = message;
        continue;
      }
      const std::string its_key = key + "/" + std::to_string(r);
      messages[r] = await(its_key, kLongestPause);
      store_->erase(its_key);
    }
    return messages;
  }

  std::unique_ptr<Communicator> split(int color) override {
    const std::string key = next_key();
    const std::vector<std::string> colors = all_gather(std::to_string(color));
    if (color < 0) return nullptr;
    const auto same = [&](const std::string& c) { return std::stoi(c) == color; };
    const auto before = std::count_if(colors.begin(), colors.begin() + rank_, same);
    const auto members = std::ranges::count_if(colors, same);
    auto group = std::make_unique<StoreCommunicator>(store_, key + "/" + std::to_string(color),
                                                     static_cast<int>(before),
                                                     static_cast<int>(members), serves_);
    group->set_node(node());
    return group;
  }

  [[noreturn]] void abort(int exit_code) override {
    ::alarm(3);  // should the store hang
    try {
      store_->set(kAbortKey, std::to_string(exit_code));
    } catch (const Error&) {  // rank 0 is gone already
    }
    end(exit_code);
  }

 private:
  std::string next_key() { return prefix_ + "/" + std::to_string(calls_++); }

  [[noreturn]] void end(int exit_code) const {
    if (serves_) std::this_thread::sleep_for(kLastWords);
    ::_exit(exit_code);
  }

  std::string await(const std::string& key, microseconds longest_pause) {
    microseconds pause = kFirstPause;
    for (int asked = 1;; ++asked) {
      if (auto value = store_->find(key)) return *std::move(value);
      if (asked % kAsksBetweenAbortChecks == 0) {
        if (const auto code = store_->find(kAbortKey)) end(std::stoi(*code));
      }
      std::this_thread::sleep_for(pause);
      pause = std::min(2 * pause, longest_pause);
    }
  }

  void meet(microseconds longest_pause) {
    const std::string key = next_key();
    if (size_ == 1) return;
    const std::string go = key + "/go";
    if (store_->add(key, 1) == size_) {
      store_->set(go, "1");
    } else {
      await(go, longest_pause);
    }
    erase_as_last(key, {key, go}, size_);
  }

  /// Once `readers` ranks have said that they are done with `key`.
  void erase_as_last(const std::string& key, const std::vector<std::string>& keys, int readers) {
    const std::string count = key + "/read";
    if (store_->add(count, 1) < readers) return;
    for (const std::string& k : keys) store_->erase(k);
    store_->erase(count);
  }

  [[noreturn]] void refuse(Collective collective) const {
    throw Error(std::string(collective_name(collective)) +
                ": without MPI there is nothing that moves data between CPUs; start with mpirun, "
                "or train on GPUs");
  }
  void run_here(Collective collective, std::span<float>, int) override { refuse(collective); }
  std::unique_ptr<PendingCollective> start_behind(Collective collective, std::span<float>, int,
                                                  Reduction) override {
    refuse(collective);
  }

  std::shared_ptr<KeyValueStore> store_;
  const std::string prefix_;
  const int rank_, size_;
  const bool serves_;  ///< this process holds the store
  long calls_ = 0;
};

std::string required(const Environment& environment, const char* name, const char* launcher) {
  const char* value = environment(name);
  if (value != nullptr) return value;
  throw Error(std::string(launcher) + " started this, but $" + name +
              " is not set: without it ranks cannot find each other");
}

int number(const Environment& environment, const char* name, const char* launcher) {
  const std::string text = required(environment, name, launcher);
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 0) {
    throw Error(std::string("$") + name + " = '" + text + "' (must be a number >= 0)");
  }
  return static_cast<int>(value);
}

Rendezvous of_torchrun(const Environment& environment) {
  const char* name = "torchrun";
  Rendezvous at{number(environment, "RANK", name), number(environment, "WORLD_SIZE", name),
                required(environment, "MASTER_ADDR", name),
                number(environment, "MASTER_PORT", name)};
  // torchrun's agent listens on MASTER_PORT, and speaks the protocol of its own LibTorch.
  const char* agent = environment("TORCHELASTIC_USE_AGENT_STORE");
  if (agent != nullptr && std::string(agent) == "True") ++at.port;
  return at;
}

Rendezvous of_slurm(const Environment& environment) {
  const char* name = "srun";
  const char* nodes = "SLURM_STEP_NODELIST";
  if (environment(nodes) == nullptr) nodes = "SLURM_JOB_NODELIST";
  return {number(environment, "SLURM_PROCID", name), number(environment, "SLURM_NTASKS", name),
          first_host(required(environment, nodes, name)),
          kFirstPort + number(environment, "SLURM_JOB_ID", name) % kPorts};
}

}  // namespace

std::unique_ptr<Communicator> make_store_communicator(std::shared_ptr<KeyValueStore> store,
                                                      int rank, int size) {
  return std::make_unique<StoreCommunicator>(std::move(store), "world", rank, size, rank == 0);
}

void leave_store(KeyValueStore& store, int rank, int size) {
  std::int64_t left = store.add(kLeftKey, 1);
  const auto until = std::chrono::steady_clock::now() + kPatienceAtTheEnd;
  while (rank == 0 && left < size && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kParkedPause);
    left = store.add(kLeftKey, 0);
  }
  if (rank == 0) std::this_thread::sleep_for(kParkedPause);  // the last one's answer is on its way
}

Rendezvous rendezvous(Launcher launcher, const Environment& environment) {
  Rendezvous at =
      launcher == Launcher::kTorchrun ? of_torchrun(environment) : of_slurm(environment);
  if (at.rank >= at.size) {
    throw Error(launcher_name(launcher) + " says rank " + std::to_string(at.rank) + " of " +
                std::to_string(at.size));
  }
  return at;
}

std::string first_host(const std::string& node_list) {
  std::string host;
  for (size_t at = 0; at < node_list.size() && node_list[at] != ','; ++at) {
    if (node_list[at] != '[') {
      host += node_list[at];
      continue;
    }
    const size_t close = node_list.find(']', at);
    const std::string inside = node_list.substr(at + 1, close - at - 1);
    host += inside.substr(0, inside.find_first_of("-,"));
    if (close == std::string::npos) break;
    at = close;
  }
  return host;
}

}  // namespace forerun
