// The page's CSS.
#pragma once

#include <string>

namespace forerun {

std::string page_css();

}  // namespace forerun
