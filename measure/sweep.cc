#include "measure/sweep.h"

#include <algorithm>
#include <cmath>

#include "measure/clock.h"
#include "measure/stop_rule.h"
#include "model/io/command_line.h"
#include "model/strategy.h"

namespace forerun {
namespace {

constexpr double kBlockTime = 0.1;  // seconds of repetitions between two changes of size
constexpr int kMostRepetitions = 20;
constexpr double kGoal = 0.05;  // relative half width of the median; a size has many neighbours

/// One turn: a collective of a size on a group, some repetitions.
struct Turn {
  int group = 0;  ///< index into SweepGroups::all()
  Collective collective = Collective::kAllreduce;
  double size_bytes = 0;
  int repetitions = 0;
  double expected_s = 0;
};

SweepPoint* find_point(std::vector<SweepPoint>& points, Collective collective,
                       const Placement& placement, double size) {
  for (SweepPoint& point : points) {
    if (point.placement == placement && point.size_bytes == size &&
        point.collective == collective_name(collective)) {
      return &point;
    }
  }
  return nullptr;
}

double typical(const SweepPoint& point) {
  return point.samples_s.empty() ? 0 : median_interval(point.samples_s).median;
}

/// Memory that grows to the largest size asked for: its sums stay 0.
struct Buffer {
  std::shared_ptr<float[]> data;
  size_t size = 0;
};

/// Repetitions on this rank, after one that warms up.
std::vector<double> time_collective(Communicator& group, Buffer& buffer, const Turn& turn,
                                    Watchdog& watchdog) {
  const auto count = static_cast<size_t>(turn.size_bytes / sizeof(float));
  if (buffer.size < count) {
    buffer.data.reset();  // before the larger one comes: both may not fit
    buffer = {group.memory(count), count};
  }
  const std::span<float> floats(buffer.data.get(), count);
  group.barrier();
  group.run(turn.collective, floats);
  watchdog.progress();
  std::vector<double> times = group.timed_runs(turn.collective, floats, turn.repetitions);
  watchdog.progress();
  return times;
}

std::vector<double> over_ranks(const std::vector<std::string>& all, Collective collective) {
  const bool rooted = collective == Collective::kBroadcast || collective == Collective::kReduce;
  std::vector<double> chosen;
  for (const std::string& text : all) {
    const auto times = Json::parse(text).get<std::vector<double>>();
    if (chosen.empty()) chosen = times;
    for (size_t i = 0; i < chosen.size(); ++i) {
      chosen[i] = rooted ? std::max(chosen[i], times[i]) : std::min(chosen[i], times[i]);
    }
  }
  return chosen;
}

/// Rank 0's view: whose turn it is.
class Rota {
 public:
  Rota(const Job& job, const std::vector<SweepGroup>& groups, const SweepOptions& options,
       std::vector<SweepPoint>& points)
      : groups_(groups), options_(options), points_(points) {
    for (const double size : sweep_sizes(options)) {
      for (size_t g = 0; g < groups.size(); ++g) {
        for (const Collective collective : options.collectives) add(job, g, collective, size);
      }
    }
  }

  /// The next turn that fits before its deadline; repetitions 0: none.
  Turn next() {
    for (size_t tried = 0; tried < turns_.size(); ++tried) {
      Turn turn = turns_[at_];
      at_ = (at_ + 1) % turns_.size();
      const SweepPoint& p = point_of(turn);
      const StopGoal goal{kGoal, options_.most_samples};
      if (!p.samples_s.empty() &&
          precise_enough(p.samples_s.size(), median_interval(p.samples_s).relative_half_width(),
                         goal)) {
        continue;
      }
      const double once = expected(turn, p);
      const double deadline_s = p.samples_s.empty()
                                    ? std::max(options_.deadline_s, options_.first_deadline_s)
                                    : options_.deadline_s;
      const double room = deadline_s - clock_now() - once;  // the warm-up repetition
      if (room < once) continue;
      const double most = std::min({kBlockTime / once, double(kMostRepetitions), room / once});
      turn.repetitions = std::max(1, static_cast<int>(most));
      turn.expected_s = once * (1 + turn.repetitions);
      return turn;
    }
    return {};
  }

  void record(const Turn& turn, const std::vector<double>& times) {
    SweepPoint& p = point_of(turn);
    p.samples_s.insert(p.samples_s.end(), times.begin(), times.end());
  }

  bool round_done() const { return at_ == 0; }

  std::vector<Unswept> unswept() {
    std::vector<Unswept> out;
    for (const Turn& turn : turns_) {
      const SweepPoint& p = point_of(turn);
      if (p.samples_s.empty()) out.push_back({p, 2 * expected(turn, p)});
    }
    return out;
  }

 private:
  void add(const Job& job, size_t group, Collective collective, double size) {
    const Placement& placement = groups_[group].placement;
    const double bytes = sweep_bytes(collective, size, placement.world_size());
    turns_.push_back({static_cast<int>(group), collective, bytes, 1, 0});
    if (find_point(points_, collective, placement, bytes) == nullptr) {
      points_.push_back({collective_name(collective), job.world.transport(), placement, bytes, {}});
    }
  }

  SweepPoint& point_of(const Turn& turn) {
    return *find_point(points_, turn.collective, groups_[turn.group].placement, turn.size_bytes);
  }

  /// Of one repetition: measured, or from the largest smaller size that was.
  double expected(const Turn& turn, const SweepPoint& p) const {
    if (!p.samples_s.empty()) return typical(p);
    const SweepPoint* nearest = nullptr;
    for (const SweepPoint& known : points_) {
      if (known.placement == p.placement && known.collective == p.collective &&
          known.size_bytes < turn.size_bytes && !known.samples_s.empty() &&
          (nearest == nullptr || known.size_bytes > nearest->size_bytes)) {
        nearest = &known;
      }
    }
    const double least = 1e-4;
    if (nearest == nullptr) return least;
    return std::max(least, typical(*nearest) * turn.size_bytes / nearest->size_bytes);
  }

  const std::vector<SweepGroup>& groups_;
  const SweepOptions& options_;
  std::vector<SweepPoint>& points_;
  std::vector<Turn> turns_;
  size_t at_ = 0;
};

}  // namespace

std::vector<double> sweep_sizes(const SweepOptions& options) {
  std::vector<double> sizes;
  for (double s = options.smallest_bytes; s < options.largest_bytes * 0.999; s *= options.factor) {
    sizes.push_back(s);
  }
  sizes.push_back(options.largest_bytes);
  return sizes;
}

double sweep_bytes(Collective collective, double size_bytes, int world_size) {
  const bool in_blocks =
      collective == Collective::kReduceScatter || collective == Collective::kAllGather;
  const double unit = sizeof(float) * (in_blocks ? world_size : 1.0);
  return std::max(1.0, std::floor(size_bytes / unit)) * unit;
}

std::string unswept_sizes(const std::vector<Unswept>& unswept, size_t per_size) {
  std::string text;
  for (auto one = unswept.begin(); one != unswept.end();) {
    const std::string size = format_bytes(Bytes<>(one->point.size_bytes));
    const auto begin = one;
    std::vector<std::string> placements;
    for (; one != unswept.end() && format_bytes(Bytes<>(one->point.size_bytes)) == size; ++one) {
      const std::string placement = one->point.placement.text();
      if (std::ranges::find(placements, placement) == placements.end()) {
        placements.push_back(placement);
      }
    }
    text.append(text.empty() ? "" : ", ").append(size);
    if (static_cast<size_t>(one - begin) == per_size) continue;
    std::string where;
    for (const std::string& p : placements) where.append(where.empty() ? "" : ", ").append(p);
    text.append(" (").append(where).append(")");
  }
  return text;
}

std::vector<Collective> collectives_of(const std::vector<std::string>& strategies) {
  std::vector<Collective> collectives = {Collective::kAllreduce};
  for (const std::string& strategy : strategies) {
    const StrategyPattern& pattern = strategy_pattern(strategy);
    if (!pattern.in_buckets) continue;  // its copies stay in one process
    for (const Sending& sending : pattern.each()) {
      if (std::ranges::find(collectives, sending.collective) == collectives.end()) {
        collectives.push_back(sending.collective);
      }
    }
  }
  return collectives;
}

SweepGroups::SweepGroups(Job& job, const Groups& groups, const std::vector<int>& world_sizes) {
  for (const int n : world_sizes) {
    if (n > 1) add(job.map.placement(n), groups.get(n));
  }
  const std::vector<std::string>& hosts = job.map.hosts;
  std::vector<std::string> nodes;  // in the order of their first ranks
  for (const std::string& host : hosts) {
    if (std::ranges::find(nodes, host) == nodes.end()) nodes.push_back(host);
  }
  if (nodes.size() == 1 || nodes.size() == hosts.size()) return;
  const auto here = static_cast<int>(std::ranges::find(nodes, job.host()) - nodes.begin());
  const auto on_first = static_cast<int>(std::ranges::count(hosts, nodes.front()));
  if (on_first > 1) {
    owned_.push_back(job.world.split(here == 0 ? 0 : -1));
    add(Placement({on_first}), owned_.back().get());
  }
  for (size_t m = 2; m / 2 < nodes.size(); m *= 2) {
    const auto count = static_cast<int>(std::min(m, nodes.size()));
    owned_.push_back(job.world.split(job.map.local_rank == 0 && here < count ? 0 : -1));
    add(Placement::even(count, count), owned_.back().get());
  }
}

/// A placement twice would be measured twice.
void SweepGroups::add(const Placement& placement, Communicator* group) {
  for (const SweepGroup& known : all_) {
    if (known.placement == placement) return;
  }
  all_.push_back({placement, group});
}

std::vector<Unswept> sweep(Job& job, const SweepGroups& sweep_groups, const SweepOptions& options,
                           std::vector<SweepPoint>& points, const std::function<void()>& saved) {
  const std::vector<SweepGroup>& groups = sweep_groups.all();
  if (groups.empty()) return {};
  std::unique_ptr<Rota> rota;
  if (job.leads()) rota = std::make_unique<Rota>(job, groups, options, points);
  Buffer buffer;
  double patience_s = 1;
  while (true) {
    Turn turn;
    if (job.leads() && !stop_requested()) turn = rota->next();
    const Json command = job.next_command({{"group", turn.group},
                                           {"collective", static_cast<int>(turn.collective)},
                                           {"size", turn.size_bytes},
                                           {"reps", turn.repetitions},
                                           {"expected_s", turn.expected_s}},
                                          patience_s);
    turn = {command.at("group"), static_cast<Collective>(command.at("collective").get<int>()),
            command.at("size"), command.at("reps"), command.at("expected_s")};
    if (turn.repetitions == 0) break;
    patience_s = std::max(1.0, turn.expected_s);
    const SweepGroup& at = groups[turn.group];
    if (at.group == nullptr) continue;
    job.enter("sweeping " + std::string(collective_name(turn.collective)) + " of " +
                  format_bytes(Bytes<>(turn.size_bytes)) + " over " +
                  std::to_string(at.placement.world_size()) + " ranks",
              turn.expected_s);
    const std::vector<double> mine = time_collective(*at.group, buffer, turn, job.watchdog);
    const std::vector<std::string> all = at.group->gather(Json(mine).dump(), 0);
    if (!job.leads()) continue;
    rota->record(turn, over_ranks(all, turn.collective));
    if (rota->round_done()) saved();
  }
  if (!job.leads()) return {};
  std::vector<Unswept> unswept = rota->unswept();
  std::erase_if(points, [](const SweepPoint& p) { return p.samples_s.empty(); });
  saved();
  return unswept;
}

}  // namespace forerun
