// Reduces a curve to fewer points that look the same.
#pragma once

#include <cstddef>
#include <vector>

namespace dure::report {

struct Point {
  double x = 0;
  double y = 0;
  bool operator==(const Point&) const = default;
};

// At most `most` (10 or more) of the points, in their order: from each of
// equally long stretches the lowest, the highest and one that is not a number,
// if there is one, and always the first and the last. So no peak and no gap is
// lost.
std::vector<Point> thin(const std::vector<Point>& points, std::size_t most);

}  // namespace dure::report
