#include "measure/job.h"

#include <csignal>

#include "measure/launch/supervisor.h"
#include "model/error.h"

namespace forerun {
namespace {

volatile std::sig_atomic_t g_stop = 0;
void request_stop(int) { g_stop = 1; }

constexpr double kPatienceFactor = 4;  // expected times may be off by this

}  // namespace

Groups::Groups(Communicator& world, const std::vector<int>& sizes) {
  for (const int n : sizes) {
    if (n > world.size()) {
      throw Error("world size " + std::to_string(n) + " needs as many ranks (" +
                  std::to_string(world.size()) + " were started)");
    }
    groups_[n] = world.split(world.rank() < n ? 0 : -1);
  }
}

Communicator* Groups::get(int size) const { return groups_.at(size).get(); }

Json Job::next_command(const Json& mine, double patience_s) {
  watchdog.expect(watchdog.phase(), kPatienceFactor * patience_s);
  world.park();
  const Json command = Json::parse(world.broadcast_text(leads() ? mine.dump() : ""));
  watchdog.progress();
  return command;
}

void Job::enter(const std::string& phase, double expected_s) {
  watchdog.expect(phase, kPatienceFactor * expected_s);
  if (leads()) report_phase(phase);
}

bool stop_requested() { return g_stop != 0; }

void install_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = request_stop;
  action.sa_flags = SA_RESTART;
  for (const int s : {SIGINT, SIGTERM, SIGUSR1}) ::sigaction(s, &action, nullptr);
}

}  // namespace forerun
