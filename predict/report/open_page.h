// Showing a page in the user's browser.
#pragma once

#include <filesystem>

namespace forerun {

/// Hands the page to xdg-open. Throws Error, naming the page, if there is none or it fails.
void open_page(const std::filesystem::path& page);

}  // namespace forerun
