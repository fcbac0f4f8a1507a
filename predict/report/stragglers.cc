#include "predict/report/stragglers.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "model/io/wording.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr double kSlow = 1.15;  // drift and noise between equal hosts stay below it

/// The faster half's end: with two hosts the faster one is what the other is compared with.
double typical(const std::map<std::string, double>& by_host) {
  std::vector<double> values;
  values.reserve(by_host.size());
  for (const auto& [host, value] : by_host) values.push_back(value);
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

/// Hosts by how much slower than the typical one they are.
std::vector<Straggler> slower_than_typical(const std::map<std::string, double>& ratios) {
  std::vector<Straggler> found;
  for (const auto& [host, ratio] : ratios) {
    if (ratio >= kSlow) found.push_back({host, ratio});
  }
  std::sort(found.begin(), found.end(),
            [](const Straggler& a, const Straggler& b) { return a.ratio > b.ratio; });
  return found;
}

std::map<std::string, double> compute_by_host(const MeasuredConfiguration& measured) {
  std::map<std::string, std::vector<double>> times;
  for (const RankSteps& rank : measured.ranks) {
    for (size_t i = 0; i < rank.step_time_s.size(); ++i) {
      times[rank.host].push_back(rank.forward_s[i] + rank.backward_s[i] + rank.optimizer_s[i]);
    }
  }
  std::map<std::string, double> medians;
  for (auto& [host, values] : times) {
    if (!values.empty()) medians[host] = median(std::move(values));
  }
  return medians;
}

std::string sentence(const char* pattern, const Straggler& straggler) {
  return formatted(pattern, straggler.host.c_str(), straggler.ratio);
}

}  // namespace

std::vector<Straggler> slow_hosts(const Profile& profile) {
  std::map<std::string, std::vector<double>> ratios;
  for (const WorkloadProfile& workload : profile.workloads) {
    for (const MeasuredConfiguration& measured : workload.configurations) {
      const std::map<std::string, double> times = compute_by_host(measured);
      if (times.size() < 2 || typical(times) <= 0) continue;
      for (const auto& [host, time] : times) ratios[host].push_back(time / typical(times));
    }
  }
  std::map<std::string, double> medians;
  for (auto& [host, values] : ratios) medians[host] = median(std::move(values));
  return slower_than_typical(medians);
}

std::vector<Straggler> slow_links(const Profile& profile) {
  std::map<std::string, double> fastest;
  for (const HostPair& pair : profile.pairs) {
    if (pair.samples_s.empty()) continue;
    const double time = median(pair.samples_s) / pair.size_bytes;
    for (const std::string& host : {pair.first, pair.second}) {
      const auto [known, added] = fastest.emplace(host, time);
      if (!added) known->second = std::min(known->second, time);
    }
  }
  if (fastest.size() < 3) return {};
  const double usual = typical(fastest);
  for (auto& [host, time] : fastest) time /= usual;
  return slower_than_typical(fastest);
}

std::vector<std::string> straggler_notes(const Profile& profile) {
  std::vector<std::string> notes;
  for (const Straggler& s : slow_hosts(profile)) {
    notes.push_back(
        sentence("Straggler: host %s computes %.1f times as long as the others; every step waits "
                 "for it",
                 s));
  }
  for (const Straggler& s : slow_links(profile)) {
    notes.push_back(sentence(
        "Slow link: transfers to and from host %s take %.1f times as long as between the others",
        s));
  }
  return notes;
}

}  // namespace forerun
