// One rank of a job, from its start to its end.
#pragma once

#include "measure/launch/launcher.h"
#include "measure/options.h"

namespace forerun {

/// Does its part of what `line` asks for. Where that fails, says so and ends the whole job.
void run_rank(const CommandLine& line, char** argv, Launcher launcher);

}  // namespace forerun
