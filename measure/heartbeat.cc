#include "measure/heartbeat.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <random>
#include <utility>

#include "measure/clock.h"
#include "model/io/json_reader.h"

namespace forerun {
namespace {

// In seconds.
constexpr double kConnecting = 1;  // all ranks, to all addresses
constexpr double kGreeting = 0.1;  // until one who connected has said who it is
constexpr double kBetweenBeats = 0.25;

/// What a rank says first, and rank 0 answers: a port may be a stranger's.
struct Greeting {
  std::uint64_t token = 0;
  std::int64_t rank = 0;
  bool operator==(const Greeting&) const = default;
};

bool send_greeting(const Socket& to, const Greeting& greeting) {
  return ::send(to.fd(), &greeting, sizeof greeting, MSG_NOSIGNAL) == sizeof greeting;
}

/// Whether `event` came before the deadline.
bool comes(const Socket& socket, short event, double deadline_s) {
  pollfd waiting = {socket.fd(), event, 0};
  const double left = std::max(0.0, deadline_s - clock_now());
  return ::poll(&waiting, 1, static_cast<int>(1e3 * left)) > 0;
}

std::optional<Greeting> receive_greeting(const Socket& from, double deadline_s) {
  Greeting greeting;
  if (!comes(from, POLLIN, deadline_s)) return std::nullopt;
  if (::recv(from.fd(), &greeting, sizeof greeting, 0) != sizeof greeting) return std::nullopt;
  return greeting;
}

Socket make_socket() {
  return Socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/// At a port that the system chooses.
int listen_anywhere(const Socket& socket) {
  sockaddr_in at = {};
  socklen_t length = sizeof at;
  if (::listen(socket.fd(), SOMAXCONN) != 0) return 0;
  if (::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&at), &length) != 0) return 0;
  return ntohs(at.sin_port);
}

/// Of this host. The loopback is last: on another host it is another's.
std::vector<std::string> own_addresses() {
  std::vector<std::string> addresses;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) all = nullptr;
  for (const ifaddrs* i = all; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
    if ((i->ifa_flags & IFF_UP) == 0 || (i->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char text[INET_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr, text,
                sizeof text);
    addresses.emplace_back(text);
  }
  ::freeifaddrs(all);
  addresses.emplace_back("127.0.0.1");
  return addresses;
}

/// A socket that is not open where rank 0 does not answer there.
Socket connect_to(const std::string& address, int port, const Greeting& greeting,
                  double deadline_s) {
  Socket socket = make_socket();
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  const int failed = ::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
  if (failed != 0 && errno != EINPROGRESS) return Socket();
  if (!comes(socket, POLLOUT, deadline_s) || !send_greeting(socket, greeting)) return Socket();
  if (receive_greeting(socket, deadline_s) != greeting) return Socket();
  return socket;
}

/// Every address has its share of the time that is left: a firewall may swallow what is sent.
Socket connect_to_any(const Json& place, const Greeting& greeting, double deadline_s) {
  const auto addresses = place.at("addresses").get<std::vector<std::string>>();
  for (size_t i = 0; i < addresses.size(); ++i) {
    const double share = (deadline_s - clock_now()) / static_cast<double>(addresses.size() - i);
    Socket socket = connect_to(addresses[i], place.at("port"), greeting, clock_now() + share);
    if (socket.open()) return socket;
  }
  return Socket();
}

std::map<int, Socket> accept_ranks(const Socket& listener, std::uint64_t token, int ranks,
                                   double deadline_s) {
  std::map<int, Socket> accepted;
  while (static_cast<int>(accepted.size()) < ranks && comes(listener, POLLIN, deadline_s)) {
    Socket socket(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    const auto greeting = receive_greeting(socket, clock_now() + kGreeting);
    if (!greeting || greeting->token != token || !send_greeting(socket, *greeting)) continue;
    accepted[static_cast<int>(greeting->rank)] = std::move(socket);
  }
  return accepted;
}

std::uint64_t random_token() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

/// By rank: on rank 0 who came, elsewhere rank 0 or nobody. Collective.
std::map<int, Socket> connect_all(Communicator& world) {
  const bool leads = world.rank() == 0;
  const Socket listener = leads ? make_socket() : Socket();
  Json place;
  if (leads) {
    place = {{"port", listen_anywhere(listener)},
             {"addresses", own_addresses()},
             {"token", random_token()}};
  }
  place = Json::parse(world.broadcast_text(place.dump()));
  const std::uint64_t token = place.at("token");
  const double deadline_s = clock_now() + kConnecting;
  if (leads) return accept_ranks(listener, token, world.size() - 1, deadline_s);
  std::map<int, Socket> connected;
  Socket socket = connect_to_any(place, {token, world.rank()}, deadline_s);
  if (socket.open()) connected[0] = std::move(socket);
  return connected;
}

}  // namespace

Socket::Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Socket::~Socket() {
  if (open()) ::close(fd_);
}

void Heartbeat::connect(Communicator& world, const std::vector<std::string>& hosts) {
  std::map<int, Socket> sockets = connect_all(world);
  // A rank that gave up may have been accepted.
  const std::vector<std::string> connected = world.all_gather(sockets.empty() ? "no" : "yes");
  const std::lock_guard lock(mutex_);
  for (auto& [rank, socket] : sockets) {
    if (connected.at(rank) == "yes") peers_.push_back({{rank, hosts.at(rank)}, std::move(socket)});
  }
}

void Heartbeat::beat() {
  const std::lock_guard lock(mutex_);
  for (Peer& peer : peers_) {
    char signs[64] = {};
    ::send(peer.socket.fd(), signs, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (::recv(peer.socket.fd(), signs, sizeof signs, MSG_DONTWAIT) > 0) peer.heard = true;
  }
}

std::optional<RankOnHost> Heartbeat::listen(double seconds) {
  beat();  // takes in what came before
  {
    const std::lock_guard lock(mutex_);
    for (Peer& peer : peers_) peer.heard = false;
  }
  const double end_s = clock_now() + seconds;
  while (clock_now() < end_s) {
    sleep_until(std::min(end_s, clock_now() + kBetweenBeats));
    beat();
  }
  const std::lock_guard lock(mutex_);
  const auto silent = std::ranges::find(peers_, false, &Peer::heard);
  return silent == peers_.end() ? std::nullopt : std::optional(silent->who);
}

}  // namespace forerun
