#include "measure/launch/tcp_store.h"

#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#include <vector>

#include "model/error.h"

namespace forerun {
namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

class TcpStore : public KeyValueStore {
 public:
  TcpStore(const Rendezvous& at, double timeout_s)
      : address_(at.host + ":" + std::to_string(at.port)) {
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(at.port);
    options.isServer = at.rank == 0;
    options.waitWorkers = false;
    options.timeout = std::chrono::milliseconds(static_cast<long>(timeout_s * 1e3));
    try {
      store_ = c10::make_intrusive<c10d::TCPStore>(at.host, options);
    } catch (const std::exception& error) {
      throw Error("rank " + std::to_string(at.rank) + " could not " +
                  (at.rank == 0 ? "listen on " : "reach rank 0 at ") + address_ + ": " +
                  first_line(error.what()) +
                  "; is the port free, and open between the hosts? $MASTER_ADDR and $MASTER_PORT "
                  "name another");
    }
  }

  void set(const std::string& key, const std::string& value) override {
    guarded([&] { store_->set(key, std::vector<uint8_t>(value.begin(), value.end())); });
  }
  std::optional<std::string> find(const std::string& key) override {
    std::optional<std::string> found;
    guarded([&] {
      if (!store_->check({key})) return;
      const std::vector<uint8_t> value = store_->get(key);
      found.emplace(value.begin(), value.end());
    });
    return found;
  }
  std::int64_t add(const std::string& key, std::int64_t value) override {
    std::int64_t sum = 0;
    guarded([&] { sum = store_->add(key, value); });
    return sum;
  }
  void erase(const std::string& key) override {
    guarded([&] { store_->deleteKey(key); });
  }

 private:
  template <class Call>
  void guarded(Call call) {
    try {
      call();
    } catch (const std::exception& error) {
      throw Error("lost rank 0, which holds the store at " + address_ + ": " +
                  first_line(error.what()));
    }
  }

  std::string address_;
  c10::intrusive_ptr<c10d::TCPStore> store_;
};

}  // namespace

std::shared_ptr<KeyValueStore> open_tcp_store(const Rendezvous& at, double timeout_s) {
  return std::make_shared<TcpStore>(at, timeout_s);
}

}  // namespace forerun
