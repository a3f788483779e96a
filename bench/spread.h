// Repeated measurements of benchmarks.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/spread.h"

namespace dure::bench {

// The ratios of two measurements of the same rounds: "0.981 (0.970 to 1.012)".
inline std::string ratio_text(const std::vector<double>& rounds,
                              const std::vector<double>& others) {
  std::vector<double> ratios;
  std::transform(rounds.begin(),
                 rounds.end(),
                 others.begin(),
                 std::back_inserter(ratios),
                 std::divides());
  const Spread spread = spread_of(std::move(ratios));
  char text[64];
  std::snprintf(text,
                sizeof text,
                "%.3f (%.3f to %.3f)",
                spread.median,
                spread.least,
                spread.most);
  return text;
}

// The seconds that the call takes, `repeats` times.
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
