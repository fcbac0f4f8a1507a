// What the communication inside training costs beyond the same communication alone.
#pragma once

#include <optional>
#include <vector>

#include "model/collective_kind.h"
#include "model/io/profile.h"

namespace forerun {

/// Time of a collective alone, from a sweep's medians: log-log between the two nearest sizes, in
/// proportion up to kFarBeyondSweep times the largest, the smallest's below. nullopt where nothing
/// was swept near that size on that placement.
std::optional<double> alone_s(const std::vector<SweepPoint>& network, const std::string& collective,
                              const Placement& placement, double size_bytes);

/// From a configuration's samples and the sweeps. Each figure is a median over steps with its
/// interval; a factor of two medians has the interval in which both are at their worst.
CommunicationFigures take_apart(const MeasuredConfiguration& measured,
                                const std::vector<SweepPoint>& network);

}  // namespace forerun
