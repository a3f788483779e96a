// A curve without its noise.
#pragma once

#include <vector>

#include "dure/report/range.h"
#include "dure/report/thin.h"

namespace dure::report {

// At each point the mean of the values up to it, one that is `half_life` of x
// back counting half as much:
//
//   s_i = sum_j<=i w_ij min(max(y_j, low), high) / sum_j<=i w_ij,
//   w_ij = 2^-((x_i - x_j) / half_life)
//
// Values outside of `limits` enter as the nearer limit, so that a spike does
// not stay for many half-lives; those that are not numbers do not enter.
std::vector<Point> smooth(const std::vector<Point>& points,
                          double half_life,
                          const Range& limits);

}  // namespace dure::report
