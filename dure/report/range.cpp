#include "dure/report/range.h"

#include <cmath>

namespace dure::report {
namespace {

constexpr double kReach = 3;
constexpr double kMostLonger = 4;

Range range_of(const std::vector<double>& values) {
  Range range;
  for (const double value : values) {
    range.take(value);
  }
  return range;
}

// How far a usual value may be from the others.
Range fences(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  const double low = values[static_cast<std::size_t>(std::ceil(0.05 * last))];
  const double high = values[static_cast<std::size_t>(std::floor(0.95 * last))];
  const double least = 0.01 * std::max(std::abs(low), std::abs(high));
  const double reach = kReach * std::max(high - low, least);
  return {.low = low - reach, .high = high + reach};
}

}  // namespace

Range usual_range(std::vector<double> values) {
  if (values.size() < kFewValues) {
    return range_of(values);
  }
  const Range allowed = fences(values);
  std::erase_if(values, [&](double value) { return !allowed.has(value); });
  return range_of(values);
}

Range shared_range(const std::vector<std::vector<double>>& series) {
  Range range;
  for (const auto& values : series) {
    if (values.size() >= kFewValues) {
      range.take(usual_range(values));
    }
  }
  const Range usual = range;
  for (const auto& values : series) {
    if (values.empty() || values.size() >= kFewValues) {
      continue;
    }
    Range longer = range;
    longer.take(range_of(values));
    if (usual.empty() || longer.length() <= kMostLonger * usual.length()) {
      range = longer;
    }
  }
  return range;
}

}  // namespace dure::report
