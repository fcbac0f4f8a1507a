// Which host's link is slower than the others': neighbours exchange data, pair by pair.
#pragma once

#include <vector>

#include "measure/job.h"
#include "model/io/profile.h"

namespace forerun {

/// All-reduces of `size_bytes` between the first ranks of two hosts, for every host with the next
/// one, in rounds of disjoint pairs at once. On rank 0 all of them, elsewhere none; none below
/// three hosts: of a single pair nobody could say whose link is slow. Collective over the job.
std::vector<HostPair> check_links(Job& job, double size_bytes, int repetitions);

}  // namespace forerun
