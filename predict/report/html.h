// Text that is safe inside HTML.
#pragma once

#include <string>
#include <string_view>

namespace forerun {

/// `&`, `<`, `>`, and both quotes as entities: for text and for attribute values.
std::string escape_html(std::string_view text);

}  // namespace forerun
