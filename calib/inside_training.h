// What `measure` saw inside training beyond step times, for the model: when buckets fill, how much
// communication and compute slow each other, and how long ranks wait for the slowest.
#pragma once

#include "calib/evidence.h"
#include "model/io/profile.h"

namespace forerun {

/// Fills the workloads' bucket shares, slowdowns, collective factors and times of collectives, and
/// the cluster's spread, from runs of as many ranks as the evidence has. What was not measured
/// stays as it is.
void add_inside_training(const Profile& profile, Evidence& evidence);

}  // namespace forerun
