#include "model/io/measured.h"

#include <algorithm>
#include <limits>
#include <map>
#include <span>

#include "model/error.h"

namespace forerun {
namespace {

/// The per-step series of a rank by their keys: written and read by the same table.
constexpr std::pair<const char*, std::vector<double> RankSteps::*> kSeries[] = {
    {"load_s", &RankSteps::load_s},           {"forward_s", &RankSteps::forward_s},
    {"backward_s", &RankSteps::backward_s},   {"exposed_comm_s", &RankSteps::exposed_comm_s},
    {"optimizer_s", &RankSteps::optimizer_s}, {"step_time_s", &RankSteps::step_time_s},
};

/// The rest of a rank's series, of lengths of their own; written where not empty.
constexpr std::pair<const char*, std::vector<double> RankSteps::*> kQuietSeries[] = {
    {"quiet_backward_s", &RankSteps::quiet_backward_s},
    {"quiet_comm_s", &RankSteps::quiet_comm_s},
};

/// One number per step like kSeries; younger than the format, so written where not empty.
constexpr std::pair<const char*, std::vector<double> RankSteps::*> kLaterSeries[] = {
    {"taken_s", &RankSteps::taken_s},
    {"block", &RankSteps::block},
};

constexpr std::pair<const char*, std::optional<MedianEstimate> CommunicationFigures::*> kFigures[] =
    {
        {"exposed_s", &CommunicationFigures::exposed_s},
        {"waiting_s", &CommunicationFigures::waiting_s},
        {"slower_inside", &CommunicationFigures::slower_inside},
        {"slows_compute", &CommunicationFigures::slows_compute},
};

Json to_json(const CollectiveTimeline& timeline) {
  return {{"collective", timeline.collective}, {"bucket", timeline.bucket},
          {"size_bytes", timeline.size_bytes}, {"ready_s", timeline.ready_s},
          {"start_s", timeline.start_s},       {"end_s", timeline.end_s}};
}

CollectiveTimeline read_timeline(const JsonReader& in) {
  CollectiveTimeline timeline;
  timeline.collective = in.at("collective").text();
  timeline.bucket = static_cast<int>(in.at("bucket").whole(-1));
  timeline.size_bytes = in.at("size_bytes").positive();
  timeline.ready_s = in.at("ready_s").numbers();
  timeline.start_s = in.at("start_s").numbers();
  timeline.end_s = in.at("end_s").numbers();
  if (timeline.start_s.size() != timeline.end_s.size() ||
      timeline.ready_s.size() != timeline.end_s.size()) {
    in.fail("ready_s, start_s and end_s have different lengths");
  }
  return timeline;
}

Json to_json(const CommunicationFigures& figures) {
  Json out = Json::object();
  for (const auto& [key, figure] : kFigures) {
    const std::optional<MedianEstimate>& e = figures.*figure;
    if (e) out[key] = {{"median", e->median}, {"low", e->low}, {"high", e->high}};
  }
  return out;
}

CommunicationFigures read_figures(const JsonReader& in) {
  CommunicationFigures figures;
  for (const auto& [key, figure] : kFigures) {
    if (!in.has(key)) continue;
    const JsonReader e = in.at(key);
    figures.*figure =
        MedianEstimate{e.at("median").number(), e.at("low").number(), e.at("high").number()};
  }
  return figures;
}

Json to_json(const RankSteps& rank) {
  Json out = {{"rank", rank.rank}, {"host", rank.host}};
  for (const auto& [key, series] : kSeries) out[key] = rank.*series;
  for (const auto& [key, series] : kQuietSeries) {
    if (!(rank.*series).empty()) out[key] = rank.*series;
  }
  for (const CollectiveTimeline& timeline : rank.timeline) {
    out["timeline"].push_back(to_json(timeline));
  }
  for (const auto& [key, series] : kLaterSeries) {
    if (!(rank.*series).empty()) out[key] = rank.*series;
  }
  return out;
}

RankSteps read_rank(const JsonReader& in) {
  RankSteps rank;
  rank.rank = static_cast<int>(in.at("rank").whole(0));
  rank.host = in.text_or("host", "");
  for (const auto& [key, series] : kSeries) {
    const JsonReader values = in.at(key);
    for (const JsonReader& item : values.items()) (rank.*series).push_back(item.non_negative());
  }
  for (const auto& [key, series] : kQuietSeries) {
    if (!in.has(key)) continue;
    for (const JsonReader& item : in.at(key).items()) (rank.*series).push_back(item.non_negative());
  }
  if (in.has("timeline")) {
    for (const JsonReader& item : in.at("timeline").items()) {
      rank.timeline.push_back(read_timeline(item));
    }
  }
  for (const JsonReader& item : in.at("step_time_s").items()) item.positive();
  const auto require_length = [&](const char* key, size_t length) {
    if (length == rank.step_time_s.size()) return;
    in.at(key).fail("has " + std::to_string(length) + " steps (step_time_s has " +
                    std::to_string(rank.step_time_s.size()) + ")");
  };
  for (const auto& [key, series] : kSeries) require_length(key, (rank.*series).size());
  for (const auto& [key, series] : kLaterSeries) {
    if (!in.has(key)) continue;
    for (const JsonReader& item : in.at(key).items()) (rank.*series).push_back(item.non_negative());
    require_length(key, (rank.*series).size());
  }
  return rank;
}

}  // namespace

Placement read_placement(const JsonReader& in) {
  const JsonReader place = in.at("placement");
  try {
    return Placement::from_text(place.text());
  } catch (const Error& error) {
    place.fail(error.what());
  }
}

std::vector<double> MeasuredConfiguration::step_times() const {
  if (ranks.empty()) return {};
  std::vector<double> slowest = ranks.front().step_time_s;
  for (const RankSteps& rank : ranks) {
    slowest.resize(std::min(slowest.size(), rank.step_time_s.size()));
    for (size_t i = 0; i < slowest.size(); ++i)
      slowest[i] = std::max(slowest[i], rank.step_time_s[i]);
  }
  return slowest;
}

std::vector<double> MeasuredConfiguration::collective_times() const {
  if (ranks.empty() || ranks.front().timeline.empty()) return {};
  const size_t collectives = ranks.front().timeline.size();
  const bool alike = std::ranges::all_of(
      ranks, [&](const RankSteps& rank) { return rank.timeline.size() == collectives; });
  const auto compared = std::span(ranks).first(alike ? ranks.size() : 1);
  size_t steps = kTimelineSteps;
  for (const RankSteps& rank : compared) {
    for (const CollectiveTimeline& one : rank.timeline) steps = std::min(steps, one.end_s.size());
  }
  std::vector<double> times(steps, 0.0);
  for (size_t s = 0; s < steps; ++s) {
    for (size_t c = 0; c < collectives; ++c) {
      constexpr double kNever = std::numeric_limits<double>::infinity();
      double start = -kNever, end = -kNever, shortest = kNever;
      for (const RankSteps& rank : compared) {
        const CollectiveTimeline& one = rank.timeline[c];
        start = std::max(start, one.start_s[s]);
        end = std::max(end, one.end_s[s]);
        shortest = std::min(shortest, one.end_s[s] - one.start_s[s]);
      }
      times[s] += gpus.empty() ? end - start : shortest;
    }
  }
  return times;
}

Blocks MeasuredConfiguration::blocks() const {
  if (ranks.empty() || ranks.front().block.empty()) return {};
  const std::vector<double> times = step_times();
  std::map<double, std::vector<double>> by_number;
  for (size_t i = 0; i < times.size(); ++i) {
    by_number[ranks.front().block[i]].push_back(times[i]);
  }
  Blocks blocks;
  for (auto& [number, steps] : by_number) blocks.push_back(std::move(steps));
  return blocks;
}

Json to_json(const MeasuredConfiguration& measured) {
  Json out = {{"placement", measured.at.placement.text()},
              {"local_batch", measured.at.local_batch},
              {"accumulation", measured.at.accumulation},
              {"strategy", measured.at.strategy},
              {"precision", measured.at.precision},
              {"status", measured.status},
              {"role", measured.role},
              {"warmup_steps", measured.warmup_steps},
              {"relative_half_width", measured.relative_half_width},
              {"overhead_relative", measured.overhead_relative}};
  if (measured.peak_memory_bytes) out["peak_memory_bytes"] = *measured.peak_memory_bytes;
  if (measured.optimizer_state_bytes) {
    out["optimizer_state_bytes"] = *measured.optimizer_state_bytes;
  }
  if (!(measured.communication == CommunicationFigures{})) {
    out["communication"] = to_json(measured.communication);
  }
  out["buckets"] = Json::array();
  for (const BucketReady& bucket : measured.buckets) {
    Json one = {{"size_bytes", bucket.size_bytes}, {"ready_s", bucket.ready_s}};
    if (bucket.end_s > 0) {
      one["start_s"] = bucket.start_s;
      one["end_s"] = bucket.end_s;
    }
    out["buckets"].push_back(std::move(one));
  }
  for (const GpuConditions& gpu : measured.gpus) out["gpus"].push_back(to_json(gpu));
  out["ranks"] = Json::array();
  for (const RankSteps& rank : measured.ranks) out["ranks"].push_back(to_json(rank));
  for (const RankSteps& rank : measured.disturbed) out["disturbed"].push_back(to_json(rank));
  return out;
}

MeasuredConfiguration read_measured(const JsonReader& in) {
  MeasuredConfiguration measured;
  measured.at.placement = read_placement(in);
  measured.at.local_batch = static_cast<int>(in.at("local_batch").whole(1));
  measured.at.accumulation = static_cast<int>(in.at("accumulation").whole(1));
  measured.at.strategy = in.at("strategy").text();
  measured.at.precision = in.at("precision").text();
  measured.status = in.at("status").text();
  measured.role = in.text_or("role", "fit");
  measured.warmup_steps = static_cast<int>(in.number_or("warmup_steps", 0));
  measured.relative_half_width = in.number_or("relative_half_width", 0);
  measured.overhead_relative = in.number_or("overhead_relative", 0);
  measured.peak_memory_bytes = in.optional_number("peak_memory_bytes");
  measured.optimizer_state_bytes = in.optional_number("optimizer_state_bytes");
  if (in.has("communication")) measured.communication = read_figures(in.at("communication"));
  for (const JsonReader& bucket : in.at("buckets").items()) {
    measured.buckets.push_back({bucket.at("size_bytes").positive(),
                                bucket.at("ready_s").non_negative(), bucket.number_or("start_s", 0),
                                bucket.number_or("end_s", 0)});
  }
  if (in.has("gpus")) {
    for (const JsonReader& gpu : in.at("gpus").items()) {
      measured.gpus.push_back(read_gpu_conditions(gpu));
    }
  }
  for (const JsonReader& rank : in.at("ranks").items()) measured.ranks.push_back(read_rank(rank));
  if (in.has("disturbed")) {
    for (const JsonReader& rank : in.at("disturbed").items()) {
      measured.disturbed.push_back(read_rank(rank));
    }
  }
  return measured;
}

}  // namespace forerun
