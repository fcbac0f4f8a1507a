// What the parent and every rank find out, check and set before training starts.
#pragma once

#include <string>
#include <vector>

#include "measure/launch/topology.h"
#include "measure/options.h"
#include "model/io/command_line.h"
#include "model/io/profile.h"

namespace forerun {

/// Of the environment; empty where it is not set.
std::string variable(const char* name);

bool built_with_mpi();

/// What makes a machine another one than it seems.
std::string machine_label(bool sharing, const MeasureOptions& options);

/// What was asked, else: measuring takes every size, training all ranks.
std::vector<int> world_sizes(const CommandLine& line, int most_ranks);

/// This host as the device that measures sees it.
Topology device_topology(Affinity affinity, const MeasureOptions& options);

/// What can be refused before anything is started. Throws UsageError.
void check_request(const CommandLine& line, const std::vector<int>& sizes);
/// Whether the device can do what was asked. Throws UsageError.
void check_device(const MeasureOptions& options);
/// Whether the store is of these hosts, and can be written. Throws Error.
void check_store(const Store& store, const std::vector<Host>& hosts, const MeasureOptions& options,
                 const std::string& label);

/// Sets what ranks need. True if anything was missing.
bool set_environment(int threads);

}  // namespace forerun
