// The host that everybody waits for, and the link that is slower than the others.
#pragma once

#include <string>
#include <vector>

#include "model/io/profile.h"

namespace forerun {

/// A host whose compute, or a host's link whose transfers, take `ratio` times as long as those of
/// the median host.
struct Straggler {
  std::string host;
  double ratio = 1;
};

/// Compute of a host: the median over its ranks' steps, relative to the median host of the same
/// configuration; then the median over configurations. Those at least 15 % slower, slowest first;
/// none where only one host was measured.
std::vector<Straggler> slow_hosts(const Profile& profile);

/// A pair is as slow as the slower of its two links, so a host's link is as fast as the faster of
/// its pairs. Those at least 15 % slower than the median host's, slowest first; none below three
/// hosts.
std::vector<Straggler> slow_links(const Profile& profile);

/// One sentence for each of them.
std::vector<std::string> straggler_notes(const Profile& profile);

}  // namespace forerun
