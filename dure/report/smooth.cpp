#include "dure/report/smooth.h"

#include <cmath>
#include <limits>

namespace dure::report {

std::vector<Point> smooth(const std::vector<Point>& points,
                          double half_life,
                          const Range& limits) {
  std::vector<Point> result;
  double sum = 0;
  double weight = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double passed = i == 0 ? 0 : points[i].x - points[i - 1].x;
    const double decay = std::exp2(-passed / half_life);
    sum *= decay;
    weight *= decay;
    if (!std::isnan(points[i].y) && !limits.empty()) {
      sum += std::clamp(points[i].y, limits.low, limits.high);
      weight += 1;
    }
    // After a thousand half-lives nothing is left of earlier values.
    result.push_back({.x = points[i].x,
                      .y = weight > 1e-300
                               ? sum / weight
                               : std::numeric_limits<double>::quiet_NaN()});
  }
  return result;
}

}  // namespace dure::report
