// A curve without its noise.
#pragma once

#include <vector>

#include "dure/report/range.h"
#include "dure/report/thin.h"

namespace dure::report {

// At each point the mean of the values up to it, in which a value that is
// `half_life` of x back counts half as much:
//
//   s_i = sum_j<=i w_ij min(max(y_j, low), high) / sum_j<=i w_ij,
//   w_ij = 2^-((x_i - x_j) / half_life)
//
// Values outside of `limits` enter as the nearer limit, so that a spike does
// not last for many half-lives; values that are not numbers are left out.
std::vector<Point> smooth(const std::vector<Point>& points,
                          double half_life,
                          const Range& limits);

}  // namespace dure::report
