#include "calib/explain/residuals.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "calib/conditioned_series.h"
#include "model/statistics.h"

namespace forerun {
namespace {

struct Residual {
  Configuration at;
  double log_error = 0;  ///< ln(predicted / observed)
  bool inside = false;
  bool held_out = false;
};

ErrorSummary summary_of(const std::vector<const Residual*>& rows) {
  ErrorSummary out;
  if (rows.empty()) return out;
  std::vector<double> relative, absolute;
  const auto n = static_cast<double>(rows.size());
  for (const Residual* row : rows) {
    relative.push_back(std::expm1(row->log_error));
    absolute.push_back(std::fabs(relative.back()));
    out.bias += row->log_error / n;
    out.coverage_90 += row->inside / n;
  }
  out.rows = static_cast<int>(rows.size());
  out.median = median(absolute);
  out.low = quantile(relative, 0.1);
  out.high = quantile(relative, 0.9);
  return out;
}

/// What a row is grouped by, in the order in which groups are listed.
struct GroupKey {
  double place = 0;
  std::string name;
  auto operator<=>(const GroupKey&) const = default;
};

template <class KeyOf>
std::vector<ErrorGroup> group_by(const std::vector<Residual>& residuals, const KeyOf& key_of) {
  struct Rows {
    std::vector<const Residual*> left_out, held_out;
  };
  std::map<GroupKey, Rows> groups;
  for (const Residual& r : residuals) {
    Rows& rows = groups[key_of(r.at)];
    (r.held_out ? rows.held_out : rows.left_out).push_back(&r);
  }
  std::vector<ErrorGroup> out;
  for (const auto& [key, rows] : groups)
    out.push_back({key.name, key.place, summary_of(rows.left_out), summary_of(rows.held_out)});
  return out;
}

std::string range(int first, int last) {
  return std::to_string(first) + (first == last ? "" : "-" + std::to_string(last));
}

/// `2 x 4` (nodes x GPUs of each), `3 x 2-3` where they differ.
GroupKey placement_key(const Configuration& at) {
  const Placement& p = at.placement;
  const int least = p.ranks_per_node().back(), most = p.max_ranks_per_node();
  return {p.nodes() + 1e-3 * (least + most),
          std::to_string(p.nodes()) + " x " + range(least, most)};
}

/// World sizes one by one where there are few, else in doublings: 1, 2, 3-4, 5-8, ...
class Scales {
 public:
  explicit Scales(const std::vector<Residual>& residuals) {
    constexpr size_t kFew = 8;
    std::set<int> all;
    for (const Residual& r : residuals) all.insert(r.at.world_size());
    doublings_ = all.size() > kFew;
  }
  GroupKey operator()(const Configuration& at) const {
    int last = at.world_size();
    if (doublings_) last = static_cast<int>(std::bit_ceil(static_cast<unsigned>(last)));
    const int first = doublings_ ? last / 2 + 1 : last;
    return {1.0 * last, range(first, last) + (last == 1 ? " GPU" : " GPUs")};
  }

 private:
  bool doublings_ = false;
};

/// The thirds of the workload's batches that occur, by rank.
class BatchThirds {
 public:
  explicit BatchThirds(const std::vector<Residual>& residuals) {
    std::set<int> all;
    for (const Residual& r : residuals) all.insert(r.at.local_batch);
    batches_.assign(all.begin(), all.end());
  }
  GroupKey operator()(const Configuration& at) const {
    const size_t n = batches_.size();
    const size_t parts = std::min<size_t>(3, n);
    const auto rank = static_cast<size_t>(
        std::lower_bound(batches_.begin(), batches_.end(), at.local_batch) - batches_.begin());
    const size_t third = rank * parts / n;
    size_t first = 0;
    while (first * parts / n < third) ++first;
    size_t last = first;
    while (last + 1 < n && (last + 1) * parts / n == third) ++last;
    return {static_cast<double>(third), "batch " + range(batches_[first], batches_[last])};
  }

 private:
  std::vector<int> batches_;
};

/// The workload's own rows, each from all others; fills `out.outliers`. Points that were not run,
/// but follow from what a step exposed, are not among them.
std::vector<Residual> leave_one_out(const WorkloadCalibration& w, const ConditionedSeries& given,
                                    const std::vector<FitPoint>& fitted, WorkloadExplanation& out) {
  const auto n = static_cast<Eigen::Index>(w.points.size());
  const Eigen::MatrixXd inverse = given.solved.cholesky.solve(Eigen::MatrixXd::Identity(n, n));
  const Eigen::MatrixXd& solved = given.solved.solved_network;
  std::map<Configuration, double> known;  // variance of a row before it was called an outlier
  for (const FitPoint& p : fitted) known[p.at] = p.relative_variance;
  std::vector<Residual> residuals;
  for (Eigen::Index i = 0; i < n; ++i) {
    const FittedPoint& point = w.points[i];
    const auto before = known.find(point.at);
    if (before == known.end()) continue;
    const double precision =
        inverse(i, i) - solved.row(i).dot(given.network_covariance * solved.row(i).transpose());
    const double log_error = -given.weights[i] / precision;
    // As wide as for a new row there: what this one's own spread added is not part of it.
    const double variance =
        std::max(1e-12, 1 / precision - point.noise_variance + given.traits.repeat_variance);
    residuals.push_back(
        {point.at, log_error, std::fabs(log_error) <= kNormal90 * std::sqrt(variance), false});
    const double raised = point.noise_variance - before->second;
    if (raised > noise_variance(given.process, given.series.at[i])) {
      out.outliers.push_back(
          {point.at, point.step_time_s, point.step_time_s * std::exp(log_error)});
    }
  }
  std::stable_sort(out.outliers.begin(), out.outliers.end(),
                   [](const OutlierRow& a, const OutlierRow& b) {
                     const auto miss = [](const OutlierRow& r) {
                       return std::fabs(std::log(r.observed_s / r.expected_s));
                     };
                     return miss(a) > miss(b);
                   });
  return residuals;
}

void add_held_out(const Predictor& predictor, const std::string& name,
                  const std::vector<FitPoint>& points, std::vector<Residual>& residuals) {
  if (points.empty()) return;
  std::vector<Configuration> at;
  for (const FitPoint& p : points) at.push_back(p.at);
  const std::vector<Prediction> predictions = predictor.predict(model_of(name, at.front()), at);
  for (size_t i = 0; i < at.size(); ++i) {
    const Prediction& p = predictions[i];
    if (!p.refused.empty()) continue;
    const double seen = points[i].step_time_s;
    residuals.push_back({at[i], std::log(p.step_time.value() / seen),
                         p.low.value() <= seen && seen <= p.high.value(), true});
  }
}

}  // namespace

std::vector<WorkloadExplanation> explain_workloads(const Predictor& predictor,
                                                   const PointsByWorkload& fitted,
                                                   const PointsByWorkload& held_out) {
  const Calibration& calibration = predictor.calibration();
  std::vector<WorkloadExplanation> out;
  for (const WorkloadCalibration& w : calibration.workloads) {
    WorkloadExplanation one{.name = w.name, .method = w.method};
    const auto own = fitted.find(w.name);
    std::vector<Residual> residuals =
        leave_one_out(w, condition(calibration, w, 0),
                      own == fitted.end() ? std::vector<FitPoint>{} : own->second, one);
    const auto unseen = held_out.find(w.name);
    if (unseen != held_out.end()) add_held_out(predictor, w.name, unseen->second, residuals);
    one.all = group_by(residuals, [](const Configuration&) { return GroupKey{0, "all"}; }).front();
    one.by_scale = group_by(residuals, Scales(residuals));
    one.by_batch = group_by(residuals, BatchThirds(residuals));
    one.by_placement = group_by(residuals, placement_key);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace forerun
