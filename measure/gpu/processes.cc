#include "measure/gpu/processes.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "model/io/command_line.h"

namespace forerun {

std::string describe(const GpuProcess& process) {
  const std::string name = std::filesystem::path(process.name).filename();
  std::string text = (name.empty() ? "unnamed" : name) + " (pid " + std::to_string(process.pid);
  if (process.memory_bytes > 0) text += ", " + format_bytes(Bytes<>(process.memory_bytes));
  return text + ")";
}

std::vector<std::string> other_processes(const std::vector<GpuProcess>& processes,
                                         const std::function<bool(int pid)>& ours) {
  std::vector<std::string> others;
  for (const GpuProcess& process : processes) {
    if (!ours(process.pid)) others.push_back(describe(process));
  }
  if (others.size() < processes.size() || others.empty()) return others;
  const size_t count = processes.size() - 1;
  if (count == 0) return {};
  return {std::to_string(count) + (count == 1 ? " process" : " processes") +
          " outside this container"};
}

bool is_rank_of_ours(int pid) {
  if (pid == ::getpid()) return true;
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(in, stat);
  const size_t name_end = stat.rfind(')');  // ") S 123": the parent
  return name_end != std::string::npos && stat.size() > name_end + 4 &&
         std::atoi(stat.c_str() + name_end + 4) == ::getppid();
}

}  // namespace forerun
