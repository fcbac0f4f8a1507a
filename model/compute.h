// Compute of one step on one device, against the local batch.
#pragma once

#include <cmath>
#include <vector>

#include "model/units.h"

namespace forerun {

/// What a measured curve has that a straight line has not: a factor, log-linear between batches in
/// log(batch), constant outside them. A straight line alone misfits measured one-GPU curves by 5 %.
struct CurveShape {
  std::vector<double> log_batch;   ///< ascending
  std::vector<double> log_factor;  ///< same length

  /// exp of the interpolated log factor; 1 where nothing was measured.
  double at(double batch) const;
};

/// C(b) = (launch + per_sample * b) * shape(b): forward, backward and optimizer of one micro-step
/// without communication. `launch` is what remains at b -> 0: kernel launches and the optimizer.
template <class T = double>
struct ComputeCurve {
  Seconds<T> launch;
  SecondsPerSample<T> per_sample;
  CurveShape shape;

  Seconds<T> time(Samples<> local_batch) const {
    return (launch + per_sample * Samples<T>(T(local_batch.value()))) *
           T(shape.at(local_batch.value()));
  }
};

}  // namespace forerun
