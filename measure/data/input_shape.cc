#include "measure/data/input_shape.h"

#include <charconv>

#include "model/error.h"

namespace forerun {
namespace {

/// Takes a whole number >= 1 off the front of `text`; 0 if there is none.
int take_number(std::string_view& text) {
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || number < 1) return 0;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

}  // namespace

InputShape InputShape::parse(std::string_view text) {
  std::string_view rest = text;
  std::vector<int> numbers = {take_number(rest)};
  while (numbers.back() > 0 && !rest.empty() && rest.front() == 'x') {
    rest.remove_prefix(1);
    numbers.push_back(take_number(rest));
  }
  if (rest.empty() && numbers.back() > 0) {
    if (numbers.size() == 1) return InputShape::text(numbers[0]);
    if (numbers.size() == 3) return image(numbers[0], numbers[1], numbers[2]);
  }
  throw UsageError("input `" + std::string(text) +
                   "` is not a shape (3x224x224: channels x height x width; or 128: tokens)");
}

std::vector<int64_t> InputShape::dimensions() const {
  if (is_text()) return {tokens};
  return {channels, height, width};
}

std::string InputShape::text() const {
  if (is_text()) return std::to_string(tokens);
  return std::to_string(channels) + "x" + std::to_string(height) + "x" + std::to_string(width);
}

}  // namespace forerun
