// Ranks without MPI, for real: processes of this machine meet in a TCPStore.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <thread>

#include "measure/launch/spawner.h"
#include "measure/launch/store_communicator.h"
#include "measure/launch/tcp_store.h"
#include "tests/support.h"

namespace forerun {
namespace {

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length), 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

/// Exit codes of `size` processes, by rank, each of which runs `body`; 0: it returned true.
std::vector<int> run_ranks(int size, const std::function<bool(Communicator&)>& body) {
  const int port = free_port();
  std::vector<pid_t> children;
  for (int rank = 0; rank < size; ++rank) {
    const pid_t child = ::fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    int code = 99;
    try {
      const auto store = open_tcp_store({rank, size, "127.0.0.1", port}, 30);
      const auto world = make_store_communicator(store, rank, size);
      code = body(*world) ? 0 : 98;
      leave_store(*store, rank, size);
    } catch (const std::exception& error) {
      std::cerr << "rank " << rank << ": " << error.what() << "\n";
    }
    ::_exit(code);
  }
  std::vector<int> codes;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    codes.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
  }
  return codes;
}

TEST(StoreCommunicator, CarriesWordsBetweenProcesses) {
  const auto body = [](Communicator& world) {
    const int rank = world.rank();
    const std::string with_zeros = std::string("from ") + '\0' + std::to_string(rank);
    bool right = true;
    for (int i = 0; i < 3; ++i) {  // keys of one call are not those of the next
      right &= world.broadcast_text(rank == 0 ? "news " + std::to_string(i) : "") ==
               "news " + std::to_string(i);
      const auto all = world.all_gather(with_zeros);
      for (int r = 0; r < world.size(); ++r) {
        right &= all[r] == std::string("from ") + '\0' + std::to_string(r);
      }
      world.barrier();
      world.park();
    }
    return right && world.gather("x", 2).size() == (rank == 2 ? 4u : 0u);
  };
  EXPECT_EQ(run_ranks(4, body), (std::vector<int>{0, 0, 0, 0}));
}

TEST(StoreCommunicator, SplitsByColorInTheOrderOfRanks) {
  const auto body = [](Communicator& world) {
    world.set_node(world.rank() / 2);
    const auto odd_or_even = world.split(world.rank() % 2);
    const auto some = world.split(world.rank() < 3 ? 7 : -1);
    bool right = odd_or_even->size() == 2 && odd_or_even->rank() == world.rank() / 2 &&
                 odd_or_even->node() == world.rank() / 2;
    right &= odd_or_even->broadcast_text(std::to_string(world.rank())) ==
             std::to_string(world.rank() % 2);
    right &= (some == nullptr) == (world.rank() == 3);
    if (some != nullptr) right &= some->all_gather("a").size() == 3;
    return right;
  };
  EXPECT_EQ(run_ranks(4, body), (std::vector<int>{0, 0, 0, 0}));
}

TEST(StoreCommunicator, OneAbortEndsAll) {
  for (const int guilty : {0, 1}) {
    const auto body = [guilty](Communicator& world) {
      world.barrier();  // all are there
      if (world.rank() == guilty) world.abort(5);
      world.barrier();
      return true;
    };
    EXPECT_EQ(run_ranks(3, body), (std::vector<int>{5, 5, 5}));
  }
}

TEST(StoreCommunicator, CarriesNoData) {
  std::vector<float> data(4);
  const auto body = [&](Communicator& world) {
    return error_of([&] { world.allreduce(data); }).find("start with mpirun") != std::string::npos;
  };
  EXPECT_EQ(run_ranks(1, body), std::vector<int>{0});
}

TEST(TcpStore, SaysWhatItCouldNotReach) {
  const Rendezvous nobody{1, 2, "127.0.0.1", free_port()};
  const std::string what = error_of([&] { open_tcp_store(nobody, 0.2); });
  EXPECT_EQ(what.find("rank 1 could not reach rank 0 at 127.0.0.1:"), 0u) << what;
}

/// What this program is where SPAWNED says so: a rank that meets the others, and in whose last one
/// something goes wrong: `exit 3`, `kill`.
int spawned_rank(const std::string& trouble) {
  const Rendezvous at = rendezvous(Launcher::kTorchrun, std::getenv);
  const auto store = open_tcp_store(at, 30);
  const auto world = make_store_communicator(store, at.rank, at.size);
  if (world->all_gather(std::to_string(at.rank)).back() != std::to_string(at.size - 1)) return 98;
  if (at.rank == at.size - 1 && trouble == "exit 3") return 3;
  if (at.rank == at.size - 1 && trouble == "kill") ::raise(SIGKILL);
  if (!trouble.empty()) world->barrier();  // which does not come
  leave_store(*store, at.rank, at.size);
  return 0;
}
[[maybe_unused]] const bool g_is_test = [] {
  if (const char* trouble = std::getenv("SPAWNED")) ::_exit(spawned_rank(trouble));
  return true;
}();

/// Exit code of three ranks, one of which may be in trouble.
int spawned(const char* trouble) {
  const pid_t spawner = ::fork();
  if (spawner == 0) {
    ::setenv("SPAWNED", trouble, 1);
    char name[] = "rank";
    char* argv[] = {name, nullptr};
    ::_exit(spawn_ranks(3, argv));
  }
  int status = 0;
  ::waitpid(spawner, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Spawner, StartsRanksThatFindEachOther) { EXPECT_EQ(spawned(""), 0); }

TEST(Spawner, EndsAllWithTheFirstThatEndsBadly) {
  EXPECT_EQ(spawned("exit 3"), 3);
  EXPECT_EQ(spawned("kill"), 1);
}

using Variables = std::map<std::string, std::string>;
Environment environment(const Variables& variables) {
  return [&variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

TEST(Rendezvous, OfTorchrun) {
  Variables given = {
      {"RANK", "3"}, {"WORLD_SIZE", "8"}, {"MASTER_ADDR", "gpu1"}, {"MASTER_PORT", "29500"}};
  Rendezvous at = rendezvous(Launcher::kTorchrun, environment(given));
  EXPECT_EQ(at.rank, 3);
  EXPECT_EQ(at.size, 8);
  EXPECT_EQ(at.host, "gpu1");
  EXPECT_EQ(at.port, 29500);
  given["TORCHELASTIC_USE_AGENT_STORE"] = "True";  // its agent listens there
  EXPECT_EQ(rendezvous(Launcher::kTorchrun, environment(given)).port, 29501);
  given.erase("MASTER_PORT");
  EXPECT_EQ(error_of([&] { rendezvous(Launcher::kTorchrun, environment(given)); }),
            "torchrun started this, but $MASTER_PORT is not set: without it ranks cannot find each "
            "other");
  given["RANK"] = "8";
  given["MASTER_PORT"] = "1";
  EXPECT_THROW(rendezvous(Launcher::kTorchrun, environment(given)), Error);
}

TEST(Rendezvous, OfSlurm) {
  const Variables given = {{"SLURM_PROCID", "0"},
                           {"SLURM_NTASKS", "16"},
                           {"SLURM_JOB_ID", "4711"},
                           {"SLURM_JOB_NODELIST", "login[1-2]"},
                           {"SLURM_STEP_NODELIST", "gpu[003-006,9],x1"}};
  const Rendezvous at = rendezvous(Launcher::kSlurm, environment(given));
  EXPECT_EQ(at.size, 16);
  EXPECT_EQ(at.host, "gpu003");
  EXPECT_EQ(at.port, 24711);
}

TEST(Rendezvous, FirstHostOfASlurmList) {
  EXPECT_EQ(first_host("node7"), "node7");
  EXPECT_EQ(first_host("a1,b2"), "a1");
  EXPECT_EQ(first_host("r[2,4]n[01-16]"), "r2n01");
}

}  // namespace
}  // namespace forerun
