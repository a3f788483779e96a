#include "dure/report/axis.h"

#include <algorithm>
#include <cmath>

#include "dure/report/frame.h"

namespace dure::report {
namespace {

// The line's values of the shown kind, on their scale.
std::vector<double> values_of(const Line& line, Scale scale) {
  std::vector<double> values;
  for (const Point& point : line.points) {
    if (has_place(scale, point.y) && std::abs(point.y) <= kLargest) {
      values.push_back(scale == Scale::kLog ? std::log10(point.y) : point.y);
    }
  }
  return values;
}

Range range_of(const LineChart& chart, Scale scale) {
  std::vector<std::vector<double>> series;
  Range all;
  for (const Line& line : chart.lines) {
    series.push_back(values_of(line, scale));
    for (const double value : series.back()) {
      all.take(value);
    }
  }
  return chart.limits == Limits::kUsual ? shared_range(series) : all;
}

// Adds some room above, and around a single value.
Range widened(Range range, Floor floor) {
  if (floor == Floor::kZero) {
    range.take(0);
  }
  if (range.length() <= 1e-12 * std::abs(range.high)) {
    const double room = range.high == 0 ? 1 : 0.05 * std::abs(range.high);
    return {.low = range.low - (range.low == 0 ? 0 : room),
            .high = range.high + room};
  }
  return {.low = range.low, .high = range.high + 0.03 * range.length()};
}

// The range of logarithms, which rounding may have moved. A single value gets
// the range from half to twice of it.
Range powers(const Range& range) {
  const double room = range.low < range.high ? 1e-9 : std::log10(2.0);
  return {.low = std::max(std::pow(10.0, range.low - room),
                          std::numeric_limits<double>::denorm_min()),
          .high = std::pow(10.0, range.high + room)};
}

}  // namespace

bool has_place(Scale scale, double y) {
  return std::isfinite(y) && (scale == Scale::kLinear || y > 0);
}

Range y_range(const LineChart& chart, Scale scale) {
  const Range range = range_of(chart, scale);
  if (range.empty()) {
    return range;
  }
  return scale == Scale::kLog ? powers(range) : widened(range, chart.floor);
}

Range x_range(const LineChart& chart) {
  Range range;
  for (const Line& line : chart.lines) {
    for (const Point& point : line.points) {
      if (std::isfinite(point.x)) {
        range.take(point.x);
      }
    }
  }
  return range.low == range.high
             ? Range{.low = range.low - 1, .high = range.high + 1}
             : range;
}

double Axes::at_x(double value) const {
  return kPlotSide * (value - x.low) / x.length();
}

double Axes::at_y(double value) const {
  const double inside = std::clamp(value, y.low, y.high);
  const double share = scale == Scale::kLog
                           ? std::log(inside / y.low) / std::log(y.high / y.low)
                           : (inside - y.low) / y.length();
  return kPlotSide * (1 - share);
}

}  // namespace dure::report
