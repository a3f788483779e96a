// What repeated measurements come to: the median, and how far they spread.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace dure::bench {

struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
};

inline Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

// Seconds that the call takes, `repeats` times.
template <typename Call>
Spread measure(int repeats, const Call& call) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
            .count());
  }
  return spread_of(std::move(seconds));
}

}  // namespace dure::bench
