// NCCL's own log of every rank, and what it says in the profile.
#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "measure/collective.h"
#include "model/io/nccl_log.h"

namespace forerun {

/// Reads what NCCL writes, as it writes: a line for every collective would fill disks in long
/// trainings. What it says is kept whole, of the lines the first kKept bytes.
class NcclLog {
 public:
  static constexpr size_t kKept = 256 << 10;

  /// Makes NCCL write to us, and keeps lines in a file of this rank in `folder`; leaves all as it
  /// is where the user has sent the log elsewhere. Before the first call of NCCL.
  NcclLog(const std::filesystem::path& folder, int rank);
  NcclLog(const NcclLog&) = delete;
  NcclLog& operator=(const NcclLog&) = delete;
  /// After the last call of NCCL.
  ~NcclLog();

  /// Of all that was written until now.
  NcclReport report() const;

 private:
  void run();
  void take(std::string_view text);
  void understand();

  int ends_[2] = {-1, -1};  // of a pipe: read, write
  std::ofstream file_;
  size_t kept_ = 0;
  std::string rest_;  // lines that are not yet understood, and the beginning of one
  mutable std::mutex mutex_;
  NcclReport report_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

/// What the logs of all ranks say, at rank 0; elsewhere this rank's. Collective.
NcclReport collect_nccl_log(Communicator& world, const NcclLog& log);

}  // namespace forerun
