// How much of the communication the backward pass hides.
#pragma once

#include <cmath>

#include "model/units.h"

namespace forerun {

/// Time until both the backward pass and the all-reduces that it feeds are done:
///
///   (backward^g + communication^g)^(1/g)
///
/// g = 1: one after the other; g -> infinity: the longer one hides the other. Homogeneous of degree
/// 1, so units of time do not matter. Written with the larger term factored out, so that it neither
/// overflows nor has a derivative of 0/0 at communication = 0. Source: Qiao et al., Pollux (OSDI
/// 2021), equation for T_iter.
template <class T>
Seconds<T> overlapped_time(Seconds<T> backward, Seconds<T> communication, T g) {
  using std::exp;
  using std::log;
  if (!(communication.value() > T(0))) return backward;
  if (!(backward.value() > T(0))) return communication;
  const bool compute_bound = backward > communication;
  const Seconds<T> longer = compute_bound ? backward : communication;
  const Seconds<T> shorter = compute_bound ? communication : backward;
  const T ratio_to_g = exp(g * log(shorter / longer));
  return longer * exp(log(T(1) + ratio_to_g) / g);
}

}  // namespace forerun
