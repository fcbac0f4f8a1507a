// Control traffic where there is no MPI: ranks that torchrun or srun started meet in a key-value
// store that rank 0 serves. It carries words, not data: those go by NCCL.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "measure/collective.h"
#include "measure/launch/launcher.h"

namespace forerun {

/// What every rank reads and writes. Calls of several threads at once are fine. All throw Error
/// once rank 0 is gone.
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;
  virtual void set(const std::string& key, const std::string& value) = 0;
  /// nullopt: nobody has set it yet.
  virtual std::optional<std::string> find(const std::string& key) = 0;
  /// The sum after adding; a key that is not there counts as 0.
  virtual std::int64_t add(const std::string& key, std::int64_t value) = 0;
  virtual void erase(const std::string& key) = 0;
};

/// A group whose members meet in `store`. Waiting asks again and again, with growing pauses. Its
/// collectives throw Error: see above. Where a rank aborts, others end with its exit code when they
/// wait next. Keys are erased by their last reader.
std::unique_ptr<Communicator> make_store_communicator(std::shared_ptr<KeyValueStore> store,
                                                      int rank, int size);

/// The last call on a store: rank 0 leaves after all others, or after some seconds without them.
void leave_store(KeyValueStore& store, int rank, int size);

/// Where a rank's launcher says it is, and where rank 0 is to be found.
struct Rendezvous {
  int rank = 0, size = 1;
  std::string host;
  int port = 0;
};
/// Of torchrun: RANK, WORLD_SIZE, MASTER_ADDR, and the port above MASTER_PORT where torchrun itself
/// listens on that. Of srun: SLURM_PROCID, SLURM_NTASKS, the first host of the step, and a port
/// from the job's number. Throws Error naming what is missing.
Rendezvous rendezvous(Launcher launcher, const Environment& environment);

/// `gpu003` of `gpu[003-006,9],login1`, as Slurm writes lists of hosts.
std::string first_host(const std::string& node_list);

}  // namespace forerun
