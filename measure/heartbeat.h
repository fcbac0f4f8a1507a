// Signs of life between hosts: which rank does not run, where all others only wait for it.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "measure/collective.h"

namespace forerun {

/// A file descriptor of its own; -1: none.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();
  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

struct RankOnHost {
  int rank = 0;
  std::string host;
};

/// A TCP connection between rank 0 and every other rank, apart from the library's that may hang.
/// A thread that does nothing else sends on it: a rank that is silent is stopped, or its host is
/// gone.
class Heartbeat {
 public:
  /// `hosts`: of every rank. One that a firewall keeps away is not listened to. Takes a second at
  /// most. Collective over `world`.
  void connect(Communicator& world, const std::vector<std::string>& hosts);
  /// Tells the others that this process runs: once a second. From any thread.
  void beat();
  /// Listens for so long, and goes on beating: the first rank that sent nothing. Rank 0 listens to
  /// all, the others to rank 0.
  std::optional<RankOnHost> listen(double seconds);

 private:
  struct Peer {
    RankOnHost who;
    Socket socket;
    bool heard = false;
  };

  std::mutex mutex_;
  std::vector<Peer> peers_;
};

}  // namespace forerun
