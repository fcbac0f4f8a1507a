// Predicting step times from a calibration: formulas, learnt residuals, intervals, and the limits
// of what is known.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/configuration.h"
#include "model/io/calibration.h"
#include "model/step_time.h"

namespace forerun {

/// WorkloadCalibration::method of the formulas without what was learnt from their residuals.
inline constexpr const char* kFormulas = "formulas";

/// A measured step time that may be a slip, or what its configuration has to itself.
struct Unexpected {
  Seconds<> measured, expected;
  int runs = 1;  ///< that were measured

  /// In words, with both.
  std::string text() const;
};

/// One step time, with the 90 % interval for the mean of about 16 steps.
struct Prediction {
  std::string refused;  ///< empty: predicted. Otherwise why not, and the measurement that would
                        ///< settle it; the rest is then meaningless
  Seconds<> step_time, low, high;
  /// What was measured there, if all measurements together expect another time, and which.
  std::optional<Unexpected> unexpected;
  /// They add up to step_time. Compute on several nodes is what it is on one of them, as far as
  /// that leaves room: what nodes add is waiting and communication.
  StepTime<> parts;
  Seconds<> formula;            ///< the formulas without what was learnt from their residuals
  double doublings_beyond = 0;  ///< log2 of the world size beyond the largest measured; 0 inside

  /// 90 % interval of parts.exposed_communication: it is what is left of the step, so all that the
  /// step may be off by is laid on it. Wide against the little that backward just fails to hide.
  Seconds<> exposed_low() const;
  Seconds<> exposed_high() const { return parts.exposed_communication + (high - step_time); }
};

/// What was measured, which is as far as a prediction can be trusted.
struct Reach {
  int measured_max_gpus = 0;
  int measured_max_nodes = 0;
};

/// Answers for every workload of a calibration. Copies share their (immutable) state; thread-safe.
class Predictor {
 public:
  explicit Predictor(Calibration calibration);

  /// Never throws for a well-formed configuration: what cannot be known is `refused`.
  Prediction predict(const std::string& model, const Configuration& at) const;
  /// Many at once, in order: shares the linear algebra.
  std::vector<Prediction> predict(const std::string& model,
                                  const std::vector<Configuration>& at) const;

  Reach reach(const std::string& model) const;
  const Calibration& calibration() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace forerun
