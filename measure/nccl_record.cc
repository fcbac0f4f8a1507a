#include "measure/nccl_record.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace forerun {
namespace {

constexpr int kPipeBytes = 1 << 20;  // that NCCL may be ahead of us
constexpr size_t kUnderstandAt = 64 << 10;
constexpr int kPoll_ms = 100;

}  // namespace

NcclLog::NcclLog(const std::filesystem::path& folder, int rank) {
  if (std::getenv("NCCL_DEBUG_FILE") != nullptr) return;
  if (::pipe2(ends_, O_CLOEXEC) != 0) return;  // without a log rather than not at all
  ::fcntl(ends_[1], F_SETPIPE_SZ, kPipeBytes);
  std::filesystem::create_directories(folder);
  file_.open(folder / ("rank-" + std::to_string(rank) + ".log"));
  ::setenv("NCCL_DEBUG", "INFO", 1);  // where WARN is a site's usual, too
  ::setenv("NCCL_DEBUG_SUBSYS", "INIT,GRAPH,TUNING", 0);
  ::setenv("NCCL_DEBUG_FILE", ("/dev/fd/" + std::to_string(ends_[1])).c_str(), 1);
  thread_ = std::thread([this] { run(); });
}

/// The pipe stays: NCCL does not close its end of it, and a write to nobody would be a signal.
NcclLog::~NcclLog() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void NcclLog::run() {
  std::array<char, 1 << 16> chunk;
  while (true) {
    pollfd waiting = {ends_[0], POLLIN, 0};
    if (::poll(&waiting, 1, kPoll_ms) <= 0) {
      if (stopping_) return;
      understand();
      continue;
    }
    const ssize_t got = ::read(ends_[0], chunk.data(), chunk.size());
    if (got > 0) take({chunk.data(), static_cast<size_t>(got)});
  }
}

void NcclLog::take(std::string_view text) {
  const size_t room = std::min(text.size(), kKept - kept_);
  if (room > 0) file_.write(text.data(), static_cast<std::streamsize>(room)).flush();
  kept_ += room;
  rest_ += text;
  if (rest_.size() >= kUnderstandAt) understand();
}

void NcclLog::understand() {
  const size_t end = rest_.rfind('\n');
  if (end == std::string::npos) return;
  std::istringstream lines(rest_.substr(0, end + 1));
  rest_.erase(0, end + 1);
  const NcclReport more = read_nccl_log(lines);
  const std::lock_guard lock(mutex_);
  merge(report_, more);
}

NcclReport NcclLog::report() const {
  // The reader understands once nothing more comes: at the latest then.
  std::this_thread::sleep_for(std::chrono::milliseconds(thread_.joinable() ? 3 * kPoll_ms : 0));
  const std::lock_guard lock(mutex_);
  return report_;
}

NcclReport collect_nccl_log(Communicator& world, const NcclLog& log) {
  NcclReport report = log.report();
  for (const std::string& text : world.gather(to_json(report).dump(), 0)) {
    const Json json = Json::parse(text);
    merge(report, nccl_report(JsonReader(json, "NCCL's log of a rank")));
  }
  return report;
}

}  // namespace forerun
