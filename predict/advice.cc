#include "predict/advice.h"

#include <algorithm>
#include <cmath>

#include "calib/evidence.h"
#include "model/io/wording.h"

namespace forerun {
namespace {

constexpr size_t kMostAdvice = 4;
/// ln(high/low) below which another measurement would not change what anyone does.
constexpr double kNarrow = 0.05;

double log_width(const Candidate& c) { return std::log(c.prediction.high / c.prediction.low); }

class Advisor {
 public:
  explicit Advisor(const Forecast& forecast) : f_(forecast) {}

  std::vector<NextMeasurement> advise() {
    next_scale();
    widest_interval();
    if (!f_.subject.workload.memory) {
      add(measure_command(f_.question.batch, smallest_gpus()),
          "the memory that a sample takes, and with it which batches fit");
    }
    if (f_.question.vary_batch && !f_.subject.workload.noise_scale) {
      add("measure train --model " + f_.question.model + " --batch " +
              std::to_string(f_.question.batch) + " --epochs 1 --data PATH" +
              measure_options(f_.question.asked()),
          "the gradient noise scale on your data, and with it which batch is best");
    }
    if (out_.size() > kMostAdvice) out_.resize(kMostAdvice);
    return std::move(out_);
  }

 private:
  std::string measure_command(long batch, int gpus) const {
    return "measure --model " + f_.question.model + " --batch " + std::to_string(batch) +
           " --world-sizes " + std::to_string(gpus) + measure_options(f_.question.asked());
  }

  void add(std::string command, std::string settles) {
    for (const NextMeasurement& known : out_) {
      if (known.command == command) return;
    }
    out_.push_back({std::move(command), std::move(settles)});
  }

  std::string on_nodes(const Placement& p) const {
    return p.nodes() == 1 ? "" : " on " + count(p.nodes(), "node");
  }

  int smallest_gpus() const {
    int least = 0;
    for (const Candidate& c : f_.candidates) {
      if (c.predicted && (least == 0 || c.at.world_size() < least)) least = c.at.world_size();
    }
    return std::max(1, least);
  }

  /// How far a local batch is from the recommended one: what is measured should be of use for it.
  double from_recommended(const Configuration& at) const {
    const Candidate* best = f_.recommended();
    return best == nullptr ? 0 : std::fabs(std::log2(1.0 * at.local_batch / best->at.local_batch));
  }

  /// The smallest scale that is refused or lies beyond what was measured.
  void next_scale() {
    const Configuration* next = nullptr;
    long batch = f_.question.batch;
    bool refused = false;
    const auto consider = [&](const Configuration& at, long at_batch, bool is_refused) {
      const auto rank = [&](const Configuration& c) {
        return std::pair(c.world_size(), from_recommended(c));
      };
      if (next != nullptr && rank(at) >= rank(*next)) return;
      next = &at;
      batch = at_batch;
      refused = is_refused;
    };
    for (const Refused& r : f_.refused) consider(r.at, r.at.global_batch(), true);
    for (const Candidate& c : f_.candidates) {
      if (c.predicted && c.at.world_size() > f_.subject.reach.measured_max_gpus) {
        consider(c.at, c.global_batch, false);
      }
    }
    if (next == nullptr) return;
    const std::string where =
        count(next->world_size(), f_.subject.unit()) + on_nodes(next->placement);
    add(measure_command(batch, next->world_size()),
        refused ? where + ", which cannot be predicted yet"
                : "how it scales beyond the " +
                      count(f_.subject.reach.measured_max_gpus, f_.subject.unit()) +
                      " measured: " + where);
  }

  bool measured(const Candidate& c) const {
    return std::any_of(f_.subject.workload.points.begin(), f_.subject.workload.points.end(),
                       [&](const FittedPoint& p) { return p.at == c.at; });
  }

  /// Candidates of which another step time could change the choice: ties, and the neighbours of the
  /// recommended one at its batch, global or local.
  std::vector<size_t> competitors() const {
    const size_t best = f_.recommendation->candidate;
    const Candidate& chosen = f_.candidates[best];
    std::vector<size_t> out = f_.recommendation->ties;
    out.push_back(best);
    for (const size_t i : {best - 1, best + 1}) {
      if (i >= f_.candidates.size()) continue;  // before the first, too
      const Candidate& c = f_.candidates[i];
      const bool same_batch =
          c.global_batch == chosen.global_batch || c.at.local_batch == chosen.at.local_batch;
      if (same_batch) out.push_back(i);
    }
    return out;
  }

  void widest_interval() {
    if (!f_.recommendation) return;
    const Candidate* widest = nullptr;
    for (const size_t i : competitors()) {
      const Candidate& c = f_.candidates[i];
      const bool settled = measured(c) && !c.prediction.unexpected;
      if (!c.predicted || settled || log_width(c) < kNarrow) continue;
      if (widest == nullptr || log_width(c) > log_width(*widest)) widest = &c;
    }
    if (widest == nullptr) return;
    add(measure_command(widest->global_batch, widest->at.world_size()),
        "the step time on " + count(widest->at.world_size(), f_.subject.unit()) +
            on_nodes(widest->at.placement) + ", now uncertain by " +
            percent(std::expm1(log_width(*widest) / 2)) + " either way");
  }

  const Forecast& f_;
  std::vector<NextMeasurement> out_;
};

}  // namespace

std::vector<NextMeasurement> next_measurements(const Forecast& forecast) {
  return Advisor(forecast).advise();
}

}  // namespace forerun
