// What every part of a launch needs: the ranks, their groups, the machine, and signs of life.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "measure/collective.h"
#include "measure/machine.h"
#include "measure/watchdog.h"
#include "model/io/json_reader.h"

namespace forerun {

class Device;
class NcclLog;

/// Sub-communicators of one launch: the first n ranks, for each world size.
class Groups {
 public:
  /// Collective over `world`. Throws Error for a size beyond it.
  Groups(Communicator& world, const std::vector<int>& sizes);
  /// nullptr where this rank is not a member.
  Communicator* get(int size) const;

 private:
  std::map<int, std::unique_ptr<Communicator>> groups_;
};

struct Job {
  Communicator& world;
  Watchdog& watchdog;
  RankMap map;
  Machine machine;
  double started_s = 0;                ///< of the whole program, on clock_now()
  double bare_process_bytes = 0;       ///< resident, with all libraries and without any network
  std::vector<std::vector<int>> cpus;  ///< of every rank
  bool terminal = false;               ///< the user sees standard error on a terminal
  const NcclLog* nccl_log = nullptr;   ///< of this rank; nullptr: none
  Device* device = nullptr;            ///< where this rank trains; nullptr: its CPUs

  bool leads() const { return world.rank() == 0; }
  const std::string& host() const { return map.hosts[world.rank()]; }

  /// Rank 0's command, everywhere. Ranks without work sleep until it comes; `patience_s` is how
  /// long the work before it may take.
  Json next_command(const Json& mine, double patience_s);
  /// Starts a phase: for the watchdog's message, and the parent's.
  void enter(const std::string& phase, double expected_s = 0);
};

/// True once a signal asked us to end. Installs nothing.
bool stop_requested();
/// SIGINT, SIGTERM and SIGUSR1 ask for an end after the running block.
void install_stop_signals();

}  // namespace forerun
