// The colours of plots and page, once. Each has a value for white paper (files) and a CSS variable
// that the page sets for light and for dark.
#pragma once

#include <array>
#include <string>

namespace forerun {

struct Colour {
  int red, green, blue;  ///< on white; no two colours are the same, so that SVG can be recoloured
  const char* variable;  ///< CSS
  const char* dark;      ///< on the dark page

  /// `#3274a1`
  std::string hex() const;
};

inline constexpr Colour kInk = {34, 40, 49, "--ink", "#e6e9ee"};
inline constexpr Colour kMuted = {104, 112, 124, "--muted", "#9aa3b0"};
inline constexpr Colour kGrid = {224, 228, 234, "--grid", "#333a45"};

/// Told apart also by people with colour-blindness. Source: Okabe and Ito 2008, darkened so that
/// thin lines carry on white.
inline constexpr std::array<Colour, 7> kSeries = {{
    {0, 104, 172, "--s0", "#5aaeea"},
    {213, 94, 0, "--s1", "#f28a3c"},
    {0, 140, 104, "--s2", "#2fc79c"},
    {178, 84, 146, "--s3", "#de8fc3"},
    {158, 120, 0, "--s4", "#dcb53a"},
    {92, 84, 190, "--s5", "#a49df2"},
    {86, 96, 108, "--s6", "#aab4c0"},
}};

/// Colour of the i-th series; they repeat.
inline const Colour& series_colour(size_t i) { return kSeries[i % kSeries.size()]; }

/// The colours as CSS: `:root` for light, and the same names for dark.
std::string palette_css();

}  // namespace forerun
