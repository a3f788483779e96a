// The range of an axis, such that a spike does not flatten a curve.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

namespace dure::report {

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void take(const Range& other) {
    take(other.low);
    take(other.high);
  }
  bool empty() const { return !(low <= high); }
  bool has(double value) const { return low <= value && value <= high; }
  double length() const { return high - low; }
  bool operator==(const Range&) const = default;
};

// With fewer values all count as usual.
inline constexpr std::size_t kFewValues = 8;

// The range of the usual values: those that are no further than three times the
// distance between the 5th and the 95th percentile (at least a hundredth of the
// larger of them) below the one and above the other. If there are fewer than
// kFewValues, all are usual. The values are finite.
Range usual_range(std::vector<double> values);

// The usual ranges of all series together. A series of few values counts as a
// whole, unless that would make the range more than four times as long.
Range shared_range(const std::vector<std::vector<double>>& series);

}  // namespace dure::report
