#include "model/plot/palette.h"

#include <cstdio>

namespace forerun {

std::string Colour::hex() const {
  char out[8];
  std::snprintf(out, sizeof out, "#%02x%02x%02x", static_cast<unsigned>(red) & 0xffU,
                static_cast<unsigned>(green) & 0xffU, static_cast<unsigned>(blue) & 0xffU);
  return out;
}

std::string palette_css() {
  std::string light, dark;
  const auto add = [&](const Colour& colour) {
    light += std::string(colour.variable) + ":" + colour.hex() + ";";
    dark += std::string(colour.variable) + ":" + colour.dark + ";";
  };
  for (const Colour& colour : {kInk, kMuted, kGrid}) add(colour);
  for (const Colour& colour : kSeries) add(colour);
  return ":root{" + light + "}\n@media (prefers-color-scheme:dark){:root{" + dark + "}}\n";
}

}  // namespace forerun
