// A summary of repeated measurements.
#pragma once

#include <algorithm>
#include <vector>

namespace dure {

// At least one value must be given.
struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
};

inline Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

}  // namespace dure
