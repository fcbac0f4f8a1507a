#include "model/io/nccl_log.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <tuple>

namespace forerun {
namespace {

/// What follows `label` in a line, up to the next of `ends`; nullopt without the label.
std::optional<std::string> after(const std::string& line, const std::string& label,
                                 const std::string& ends) {
  const size_t at = line.find(label);
  if (at == std::string::npos) return std::nullopt;
  const std::string rest = line.substr(at + label.size());
  return rest.substr(0, rest.find_first_of(ends));
}

/// `NET/IB/GDRDMA` of `NET/IB/2/GDRDMA`, `NET/IB/2(1)/GDRDMA/Shared`: which adapter does not
/// matter.
std::string without_device(const std::string& path) {
  if (!path.starts_with("NET/")) return path;
  const size_t name_end = path.find('/', 4);
  if (name_end == std::string::npos) return path;
  const size_t device_end = path.find('/', name_end + 1);
  std::string kind = path.substr(0, name_end);
  if (device_end != std::string::npos) kind += path.substr(device_end);
  return kind;
}

/// `AllReduce: 4194304 Bytes -> Algo RING proto SIMPLE channel{Lo..Hi}={0..7}`.
std::optional<NcclChoice> read_choice(const std::string& line) {
  const auto algorithm = after(line, " Bytes -> Algo ", " ");
  const auto protocol = after(line, " proto ", " ");
  const auto message = after(line, "NCCL INFO ", "\n");
  if (!algorithm || !protocol || !message) return std::nullopt;
  const size_t colon = message->find(": ");
  if (colon == std::string::npos) return std::nullopt;
  NcclChoice choice{message->substr(0, colon), *algorithm, *protocol};
  choice.smallest_bytes = choice.largest_bytes = std::strtod(message->c_str() + colon + 2, nullptr);
  const auto first = after(line, "channel{Lo..Hi}={", ".");
  const size_t last = line.rfind("..");
  if (first) choice.channels = std::atoi(line.c_str() + last + 2) - std::atoi(first->c_str()) + 1;
  return choice;
}

auto order(const NcclChoice& c) {
  return std::tie(c.collective, c.smallest_bytes, c.algorithm, c.protocol);
}

void add(std::vector<NcclChoice>& choices, const NcclChoice& choice) {
  const auto same = [&](const NcclChoice& c) {
    return std::tie(c.collective, c.algorithm, c.protocol) ==
           std::tie(choice.collective, choice.algorithm, choice.protocol);
  };
  const auto known = std::ranges::find_if(choices, same);
  if (known == choices.end()) {
    choices.push_back(choice);
    return;
  }
  known->channels = std::max(known->channels, choice.channels);
  known->smallest_bytes = std::min(known->smallest_bytes, choice.smallest_bytes);
  known->largest_bytes = std::max(known->largest_bytes, choice.largest_bytes);
}

void sort(std::vector<NcclChoice>& choices) {
  std::ranges::sort(choices, [](const auto& a, const auto& b) { return order(a) < order(b); });
}

}  // namespace

NcclReport read_nccl_log(std::istream& log) {
  NcclReport report;
  for (std::string line; std::getline(log, line);) {
    if (const auto version = after(line, "NCCL version ", " ")) {
      const bool numbered = version->find_first_of("0123456789") == 0;  // or it tells a mismatch
      if (numbered && report.version.empty()) report.version = *version;
    } else if (line.find(" coll channels, ") != std::string::npos) {
      const auto channels = after(line, "NCCL INFO ", " ");
      if (channels) report.channels = std::max(report.channels, std::atoi(channels->c_str()));
    } else if (const auto path = after(line, " via ", " ")) {
      // Only connections: `Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM`.
      if (line.find("Channel ") != std::string::npos) {
        report.transports.insert(without_device(*path));
      }
    } else if (const auto choice = read_choice(line)) {
      add(report.choices, *choice);
    }
  }
  sort(report.choices);
  return report;
}

void merge(NcclReport& into, const NcclReport& other) {
  if (into.version.empty()) into.version = other.version;
  into.channels = std::max(into.channels, other.channels);
  into.transports.insert(other.transports.begin(), other.transports.end());
  for (const NcclChoice& choice : other.choices) add(into.choices, choice);
  sort(into.choices);
}

Json to_json(const NcclReport& report) {
  Json choices = Json::array();
  for (const NcclChoice& c : report.choices) {
    choices.push_back({{"collective", c.collective},
                       {"algorithm", c.algorithm},
                       {"protocol", c.protocol},
                       {"channels", c.channels},
                       {"smallest_bytes", c.smallest_bytes},
                       {"largest_bytes", c.largest_bytes}});
  }
  return {{"version", report.version},
          {"channels", report.channels},
          {"transports", report.transports},
          {"choices", std::move(choices)}};
}

NcclReport nccl_report(const JsonReader& json) {
  NcclReport report;
  report.version = json.at("version").text();
  report.channels = static_cast<int>(json.at("channels").whole(0));
  for (const JsonReader& path : json.at("transports").items()) {
    report.transports.insert(path.text());
  }
  for (const JsonReader& c : json.at("choices").items()) {
    report.choices.push_back({c.at("collective").text(), c.at("algorithm").text(),
                              c.at("protocol").text(), static_cast<int>(c.at("channels").whole(0)),
                              c.at("smallest_bytes").non_negative(),
                              c.at("largest_bytes").non_negative()});
  }
  return report;
}

}  // namespace forerun
