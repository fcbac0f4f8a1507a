#include "model/io/machine.h"

#include <regex>

namespace forerun {

bool same_machine(const Machine& a, const Machine& b) {
  // `cpu; 2 x EPYC with 64 cores; 1 thread per rank` without the 2.
  static const std::regex host_count("; [0-9]+ x ");
  const auto kinds = [](const Machine& m) {
    return std::regex_replace(m.fingerprint, host_count, "; ");
  };
  return kinds(a) == kinds(b);
}

Json to_json(const Host& host) {
  Json out = {{"hostname", host.hostname},
              {"processor", host.processor},
              {"cores", host.cores},
              {"numa_nodes", host.numa_nodes},
              {"memory_bytes", host.memory_bytes},
              {"last_level_cache_bytes", host.last_level_cache_bytes}};
  for (const Gpu& gpu : host.gpus) out["gpus"].push_back(to_json(gpu));
  for (const Nic& nic : host.nics) out["nics"].push_back(to_json(nic));
  return out;
}

Host read_host(const JsonReader& in) {
  Host host;
  host.hostname = in.at("hostname").text();
  host.processor = in.text_or("processor", "");
  host.cores = static_cast<int>(in.at("cores").whole(1));
  host.numa_nodes = static_cast<int>(in.number_or("numa_nodes", 1));
  host.memory_bytes = in.number_or("memory_bytes", 0);
  host.last_level_cache_bytes = in.number_or("last_level_cache_bytes", 0);
  if (in.has("gpus")) {
    for (const JsonReader& gpu : in.at("gpus").items()) host.gpus.push_back(read_gpu(gpu));
  }
  if (in.has("nics")) {
    for (const JsonReader& nic : in.at("nics").items()) host.nics.push_back(read_nic(nic));
  }
  return host;
}

Json to_json(const Machine& machine) {
  Json hosts = Json::array();
  for (const Host& host : machine.hosts) hosts.push_back(to_json(host));
  Json out = {{"fingerprint", machine.fingerprint},
              {"device", machine.device},
              {"max_ranks", machine.max_ranks},
              {"threads_per_rank", machine.threads_per_rank},
              {"memory_per_rank_bytes", machine.memory_per_rank_bytes},
              {"label", machine.label},
              {"launch_line", machine.launch_line},
              {"clock", machine.clock},
              {"hosts", hosts},
              {"libraries", machine.libraries}};
  if (!machine.nccl.empty()) out["nccl"] = to_json(machine.nccl);
  return out;
}

Machine read_machine(const JsonReader& in) {
  Machine machine;
  machine.fingerprint = in.at("fingerprint").text();
  machine.device = in.at("device").text();
  machine.max_ranks = static_cast<int>(in.at("max_ranks").whole(1));
  machine.threads_per_rank = static_cast<int>(in.at("threads_per_rank").whole(1));
  machine.memory_per_rank_bytes = in.number_or("memory_per_rank_bytes", 0);
  machine.label = in.text_or("label", "");
  machine.launch_line = in.text_or("launch_line", "");
  machine.clock = in.text_or("clock", "");
  for (const JsonReader& host : in.at("hosts").items()) machine.hosts.push_back(read_host(host));
  const JsonReader libraries = in.at("libraries");
  for (const auto& [name, version] : libraries.node().items()) {
    machine.libraries[name] = libraries.at(name).text();
  }
  if (in.has("nccl")) machine.nccl = nccl_report(in.at("nccl"));
  return machine;
}

}  // namespace forerun
