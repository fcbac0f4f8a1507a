// An SVG document made ready to stand inside a page.
#pragma once

#include <string>

namespace forerun {

/// The `<svg>` element of gnuplot's document, without background, recoloured by the page's CSS
/// variables (so that it follows light and dark), its ids prefixed by `name` (so that several stand
/// on one page), with `label` read aloud in its place. Throws Error if there is no `<svg>`.
std::string inline_svg(const std::string& document, const std::string& name,
                       const std::string& label);

}  // namespace forerun
