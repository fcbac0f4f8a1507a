// What one sample looks like.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// An image (`3x224x224`: channels x height x width, float32) or a text (`128`: tokens, int64).
struct InputShape {
  int channels = 0, height = 0, width = 0;  ///< of an image; 0 for a text
  int tokens = 0;                           ///< of a text; 0 for an image

  static InputShape image(int channels, int height, int width) {
    return {channels, height, width, 0};
  }
  static InputShape text(int tokens) { return {0, 0, 0, tokens}; }
  /// Reads `CxHxW` or a token count. Throws UsageError on anything else.
  static InputShape parse(std::string_view text);

  bool is_text() const { return tokens > 0; }
  /// [C, H, W] or [tokens]
  std::vector<int64_t> dimensions() const;
  /// `3x224x224`, `128`
  std::string text() const;

  bool operator==(const InputShape&) const = default;
};

}  // namespace forerun
