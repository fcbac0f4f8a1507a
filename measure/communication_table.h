// The communication inside training, taken apart, as people read it.
#pragma once

#include <string>

#include "model/io/profile.h"

namespace forerun {

/// A row for each configuration on several ranks: CommunicationFigures with their intervals, or why
/// there is none.
std::string communication_table(const WorkloadProfile& workload);

/// What the columns mean.
std::string communication_legend();

}  // namespace forerun
