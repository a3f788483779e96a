// Arithmetic that several folders need.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace dure {

inline constexpr double kMib = 1 << 20;
inline constexpr double kGib = 1 << 30;

// The least multiple that is `value` or more; 0 <= value, 0 < multiple.
template <typename Whole>
constexpr Whole round_up(Whole value, Whole multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// The larger of the two middle values where their number is even. There must be
// at least one.
inline double median(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace dure
